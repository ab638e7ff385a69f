//! How a run ends.

use tracing::info;

use crate::pipeline::settle::counts::DrainCounts;

/// Why the daemon ended without a drain, or failed in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings that cannot work, which a restart does not mend.
    #[error("{0}")]
    Settings(String),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// How the drain went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drained {
    /// Where the messages went.
    pub counts: DrainCounts,
    /// Messages that stay invisible because they could not be handed back.
    pub held: usize,
}

impl Drained {
    /// Whether nothing is left held.
    pub fn complete(&self) -> bool {
        self.held == 0
    }

    /// Writes the last line of the log.
    pub fn log(&self, panics: u64) {
        let DrainCounts { deleted, handed_back, rejected, backing_off } = self.counts;
        info!(deleted, handed_back, rejected, backing_off, held = self.held, panics, "drained");
    }
}
