//! How a run of the daemon ends: with an error, or drained.

use tracing::info;

use crate::pipeline::settle::counts::DrainCounts;
use crate::settings::SettingsError;

/// Why the daemon did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings cannot work, so that a restart does not help: the process ends with 78.
    #[error("{0}")]
    Settings(String),
    /// The policies are refused: the process ends with 78, too.
    #[error(transparent)]
    Policies(SettingsError),
    /// Anything else, such as a missing queue or a task that panicked: the process ends with 1.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// What the drain did with the messages that were held.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drained {
    /// How many messages were deleted, handed back, and so on.
    pub counts: DrainCounts,
    /// How many could not be handed back. They stay invisible until their visibility timeout ends.
    pub held: usize,
    /// How many polls were cut off. SQS may still hand messages to them, which then stay invisible
    /// until their visibility timeout ends.
    pub polls_cut_off: usize,
}

impl Drained {
    /// Whether no message is left held, and none can be by a poll that was cut off.
    pub fn complete(&self) -> bool {
        self.held == 0 && self.polls_cut_off == 0
    }

    /// Writes the last line of the log, with how many panics there were since the start.
    pub fn log(&self, panics: u64) {
        let DrainCounts { deleted, handed_back, rejected, backing_off, planned, on_hold } =
            self.counts;
        let Self { held, polls_cut_off, .. } = self;
        info!(
            deleted,
            handed_back,
            rejected,
            backing_off,
            planned,
            on_hold,
            held,
            polls_cut_off,
            panics,
            "drained"
        );
    }
}
