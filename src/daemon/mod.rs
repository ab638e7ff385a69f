//! One process of the daemon: it discovers the queue, starts the pipeline, waits for the drain, and
//! drains.

mod exit;
pub(crate) mod startup;
mod wiring;
mod targets;
mod supervisor;
pub mod reload;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::anyhow;
use aws_config::SdkConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::aws::connection::Connection;
use crate::health::Health;
use crate::health::admin::Admin;
use crate::health::systemd;
use crate::pipeline::catch_panic::PanicGuard;
use crate::pipeline::context::Context;
use crate::retry::backoff::Jitter;
use crate::retry::breaker::Breakers;
use crate::retry::delays;
use crate::runtime::clock::Clock;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::tasks::TaskEnd;
use crate::settings::{Live, Settings};

pub use exit::{Drained, Error};

use startup::discover;

/// A daemon that has yet to run.
///
/// Whoever hands in the same clock and jitter again, on a paused clock and one thread, gets the same
/// calls to AWS in the same order.
#[derive(Debug)]
pub struct Daemon {
    /// What the operator wants.
    pub settings: Settings,
    /// How AWS is reached, and with whose credentials.
    pub sdk: SdkConfig,
    /// The settings that can change while the daemon runs, as they are now.
    pub live: watch::Receiver<Live>,
    /// The time of day.
    pub clock: Clock,
    /// What spreads retries over time.
    pub jitter: Jitter,
    /// Where the daemon says how it is.
    pub health: Arc<Health>,
}

impl Daemon {
    /// A daemon by the machine's clock, with jitter that nobody foresees and settings that do not
    /// change.
    pub fn new(settings: Settings, sdk: SdkConfig) -> Self {
        Self {
            live: watch::channel(settings.live()).1,
            settings,
            sdk,
            clock: Clock::System,
            jitter: Jitter::seeded(fastrand::u64(..)),
            health: Arc::default(),
        }
    }

    /// Runs as [`Daemon::run`] does, with the admin port open and systemd told, from before the first
    /// contact with the queue to the end of the drain.
    ///
    /// If another process has the port, such as a predecessor that drains, the daemon works without
    /// it until it is free.
    ///
    /// # Errors
    /// Those of [`Daemon::run`], and a port that cannot be had.
    pub async fn serve(self, shutdown: Shutdown) -> Result<Drained, Error> {
        let (health, drain) = (Arc::clone(&self.health), shutdown.drain.clone());
        let admin = Admin::open(self.settings.admin.listen).await?;
        let told = systemd::tell(Arc::clone(&health), drain.clone());
        let port = answer(admin, health);
        let daemon = Box::pin(self.run(shutdown));
        tokio::select! {
            biased;
            never = told => match never {},
            drained = run_beside(port, daemon, &drain) => drained,
        }
    }

    /// Runs until `shutdown` says to drain, and drains.
    ///
    /// # Errors
    /// When the start fails, or a task ends early.
    pub async fn run(self, shutdown: Shutdown) -> Result<Drained, Error> {
        let (health, drain_timeout) = (Arc::clone(&self.health), self.settings.drain.timeout);
        let connection = Connection::new(self.sdk.clone(), &health.metrics, delays::AWS_CALLS);
        let discovered = discover(&self.settings, &connection, &self.jitter, &shutdown.drain);
        let Some(discovered) = Box::pin(discovered).await? else {
            let drained = Drained::default();
            drained.log(0);
            return Ok(drained);
        };
        let context = self.context(shutdown.drain.clone());
        let mut tasks = wiring::start(context, connection, discovered, &health);
        info!("ready");
        let early = shutdown.drain.run_until_cancelled(tasks.early_end()).await;
        // The first poller may end of the drain before this task hears of it.
        let early = early.filter(|end| end.panic.is_some() || !shutdown.drain.is_cancelled());
        if let Some(TaskEnd { name, panic }) = &early {
            error!(task = name, panic, "a task ended early; draining what is held");
            shutdown.drain.cancel();
        }
        health.draining();
        let (drained, panicked) = tasks.drain(drain_timeout, &shutdown).await;
        match early.or(panicked) {
            None => Ok(drained),
            Some(TaskEnd { name, .. }) => Err(anyhow!("a task ended early: {name}").into()),
        }
    }

    /// What all stages of the pipeline share.
    fn context(self, drain: CancellationToken) -> Context {
        let Self { settings, live, clock, jitter, health, .. } = self;
        let (metrics, jitter) = (Arc::clone(&health.metrics), Arc::new(jitter));
        let breakers =
            Breakers::new(live.clone(), Arc::clone(&jitter), Arc::clone(&metrics), drain.clone());
        Context {
            settings,
            live,
            clock,
            jitter,
            drain,
            liveness: Arc::clone(&health.liveness),
            panic_guard: PanicGuard::new(&metrics),
            breakers: Arc::new(breakers),
            metrics,
        }
    }
}

/// Serves the admin port, where there is one.
async fn answer(admin: Option<Admin>, health: Arc<Health>) -> anyhow::Result<Infallible> {
    match admin {
        Some(admin) => admin.serve(health, delays::ADMIN_HANDOVER).await,
        None => std::future::pending().await,
    }
}

/// Runs the daemon, and drains it if the port cannot be had: nobody could ask how it is.
async fn run_beside(
    port: impl Future<Output = anyhow::Result<Infallible>>,
    mut daemon: Pin<Box<impl Future<Output = Result<Drained, Error>>>>,
    drain: &CancellationToken,
) -> Result<Drained, Error> {
    let Err(refused) = tokio::select! {
        biased;
        refused = port => refused,
        drained = &mut daemon => return drained,
    };
    if drain.is_cancelled() {
        return daemon.await;
    }
    error!("the admin port is still taken; draining what is held");
    drain.cancel();
    daemon.await?;
    Err(refused.into())
}
