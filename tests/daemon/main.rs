//! The daemon against the sandbox: what AWS saw.

mod burst;
mod scenarios;
mod world;
