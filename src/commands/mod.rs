//! What a person runs besides `run`: each subcommand is a module here. It may use everything below
//! it, except another subcommand.
//!
//! What several of them need: `loading` (policies from files and settings), `judging` (the verdict
//! on stored facts), `lines` (files with an object on each line), `live` (instances as AWS shows
//! them), `ended` (how they end early).

pub mod check;
pub mod generate;
pub mod healthcheck;
pub mod policy;
pub mod explain;
pub mod replay;
pub mod report;
pub mod resume;
pub mod undo;
mod loading;
mod judging;
mod lines;
mod live;
mod ended;
#[cfg(test)]
mod agreement;

pub use ended::Ended;
