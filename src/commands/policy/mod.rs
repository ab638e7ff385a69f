//! `policy`: checks, tests and compares policies, without AWS.

pub(super) mod cases;
mod check;
pub(super) mod diff;
mod lint;
mod schema;
pub(super) mod test;

use crate::cli::policies::PolicyCommand;
use crate::commands::ended::Ended;

/// Runs a command of `policy`, and returns its exit code.
///
/// # Errors
/// Policies or settings that cannot work, and files that cannot be read or written.
pub fn run(command: &PolicyCommand) -> Result<u8, Ended> {
    match command {
        PolicyCommand::Check(arguments) => check::run(arguments),
        PolicyCommand::Schema(arguments) => schema::run(arguments),
        PolicyCommand::Test(arguments) => test::run(arguments),
        PolicyCommand::Diff(arguments) => diff::run(arguments),
    }
}
