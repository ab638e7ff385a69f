//! Makes contact, runs the tasks until the drain, and drains.

use std::sync::Arc;

use anyhow::anyhow;
use aws_config::SdkConfig;
use tokio::sync::watch;
use tracing::{error, info};

use crate::clock::Clock;
use crate::crew::Crew;
use crate::health::Health;
use crate::retry::Jitter;
use crate::settings::{Live, Settings};
use crate::shutdown::Shutdown;
use crate::start::contact;
use crate::tally::Counts;
use crate::tasks::TaskEnd;

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
    pub counts: Counts,
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
        let Counts { deleted, handed_back, rejected, backing_off } = self.counts;
        info!(deleted, handed_back, rejected, backing_off, held = self.held, panics, "drained");
    }
}

/// What a run takes from the world besides AWS. Whoever hands in the same again, on a paused
/// clock and one thread, gets the same calls in the same order.
#[derive(Debug)]
pub struct Surroundings {
    /// The time of day.
    pub clock: Clock,
    /// What spreads the retries.
    pub jitter: Jitter,
    /// Where the run tells how it is.
    pub health: Arc<Health>,
    /// What changes while the daemon runs; `None`: nothing does.
    pub live: Option<watch::Receiver<Live>>,
}

impl Surroundings {
    /// The time of day as it is, and jitter that nobody foresees.
    pub fn real() -> Self {
        Self {
            clock: Clock::System,
            jitter: Jitter::seeded(fastrand::u64(..)),
            health: Arc::default(),
            live: None,
        }
    }
}

/// Runs until `shutdown` says to drain, and drains.
///
/// # Errors
/// When the start fails, or a task ends early.
pub async fn run(settings: Settings, sdk: SdkConfig, shutdown: Shutdown) -> Result<Drained, Error> {
    run_in(Surroundings::real(), settings, sdk, shutdown).await
}

/// Runs as [`run`] does, in surroundings of the caller's.
///
/// # Errors
/// Those of [`run`].
pub async fn run_in(
    surroundings: Surroundings,
    settings: Settings,
    sdk: SdkConfig,
    shutdown: Shutdown,
) -> Result<Drained, Error> {
    let health = Arc::clone(&surroundings.health);
    let contact =
        Box::pin(contact(&settings, &sdk, &surroundings.jitter, &health.metrics, &shutdown.drain));
    let Some(contact) = contact.await? else {
        let drained = Drained::default();
        drained.log(0);
        return Ok(drained);
    };
    let mut crew = Crew::hire(&settings, &sdk, &shutdown.drain, surroundings, contact);
    info!("ready");
    let early = shutdown.drain.run_until_cancelled(crew.early_end()).await;
    // The first poller may end of the drain before this task hears of it.
    let early = early.filter(|end| end.panic.is_some() || !shutdown.drain.is_cancelled());
    if let Some(TaskEnd { name, panic }) = &early {
        error!(task = name, panic, "a task ended early; draining what is held");
        shutdown.drain.cancel();
    }
    health.drains();
    let (drained, panicked) = crew.drain(settings.drain_timeout, &shutdown).await;
    match early.or(panicked) {
        None => Ok(drained),
        Some(TaskEnd { name, .. }) => Err(anyhow!("a task ended early: {name}").into()),
    }
}
