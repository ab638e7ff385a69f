//! Makes contact, runs the tasks until the drain, and drains.

pub mod exit;
pub mod startup;
pub mod wiring;
pub mod targets;
pub mod supervisor;
pub mod reload;

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::anyhow;
use aws_config::SdkConfig;
use tokio::sync::watch;
use tracing::{error, info};

use crate::daemon::startup::contact;
use crate::daemon::supervisor::Supervisor;
use crate::health::Health;
use crate::health::admin::Admin;
use crate::health::systemd;
use crate::retry::backoff::Jitter;
use crate::runtime::clock::Clock;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::tasks::TaskEnd;
use crate::settings::{Live, Settings};

pub use exit::{Drained, Error};

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
    let mut crew = Supervisor::hire(&settings, &sdk, &shutdown.drain, surroundings, contact);
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

/// Runs as [`run_in`] does, with the admin port open and systemd told from before the first
/// contact with the queue to the end of the drain.
///
/// # Errors
/// Those of [`run_in`], and a port that cannot be had.
pub async fn serve(
    surroundings: Surroundings,
    settings: Settings,
    sdk: SdkConfig,
    shutdown: Shutdown,
) -> Result<Drained, Error> {
    let health = Arc::clone(&surroundings.health);
    let admin = Admin::open(settings.admin_listen).await?;
    let told = systemd::tell(Arc::clone(&health), shutdown.drain.clone());
    let daemon = Box::pin(run_in(surroundings, settings, sdk, shutdown));
    tokio::select! {
        biased;
        never = told => match never {},
        never = answer(admin, health) => match never {},
        drained = daemon => drained,
    }
}

async fn answer(admin: Option<Admin>, health: Arc<Health>) -> Infallible {
    match admin {
        Some(admin) => admin.serve(health).await,
        None => std::future::pending().await,
    }
}
