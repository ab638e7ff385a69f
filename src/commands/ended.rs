//! How a command for work on policies ends early.

use crate::domain::policy::Refusals;
use crate::settings::SettingsError;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The settings cannot work, for which there is an exit code of its own.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The policies cannot work, which has the same exit code. It has a line for each mistake.
    #[error(transparent)]
    Policies(#[from] Refusals),
    /// Test cases have mistakes: a line for each.
    #[error("{0}")]
    Cases(String),
    /// Anything else, such as a file that cannot be read.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}
