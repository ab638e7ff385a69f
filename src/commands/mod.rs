//! What a person runs besides `run`: each subcommand is a module here. It may use everything below
//! it, except another subcommand.

pub mod check;
pub mod generate;
pub mod healthcheck;
