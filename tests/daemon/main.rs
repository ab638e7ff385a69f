//! The daemon against the sandbox: what AWS saw.

mod scenarios;
mod world;
