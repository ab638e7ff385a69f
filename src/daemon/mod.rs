//! One process of the daemon: it discovers the queue, starts the pipeline, waits for the drain, and
//! drains.
//!
//! - here: these four steps, with the admin port and systemd beside them;
//! - `exit`: the result of a run;
//! - `startup`: asks AWS for the account, the queue and its attributes;
//! - `grace`: whether the queue can hide messages for as long as graces last;
//! - `budget`: whether the queue can hide messages while stops are held;
//! - `site`: what policies are checked against: the place and the queue;
//! - `wiring`: connects the stages of the pipeline by channels, and starts their tasks;
//! - `accounts`: the way to AWS in each account;
//! - `targets`: says when the evaluators and enforcers of each account and region are needed;
//! - `opener`: makes them;
//! - `sweeps`: says when the accounts are swept;
//! - `supervisor`: holds the running tasks, and ends them in the order of the drain;
//! - `reload`: reads the settings again on SIGHUP.
//!
//! May use every folder but [`crate::commands`] and [`crate::sandbox`].

mod exit;
pub(crate) mod startup;
pub(crate) mod grace;
pub(crate) mod budget;
mod site;
mod wiring;
pub(crate) mod accounts;
mod targets;
mod opener;
mod sweeps;
mod supervisor;
pub mod reload;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use anyhow::anyhow;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::aws::connection::Connection;
use crate::aws::sdk::Sdk;
use crate::domain::policy::Policies;
use crate::health::Health;
use crate::health::admin::Admin;
use crate::health::systemd::{self, Milestones};
use crate::pipeline::audit::Audit;
use crate::pipeline::catch_panic::PanicGuard;
use crate::pipeline::context::{Context, LiveSettings};
use crate::retry::backoff::Jitter;
use crate::retry::breaker::Breakers;
use crate::retry::delays;
use crate::runtime::clock::Clock;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::tasks::TaskEnd;
use crate::settings::{Live, Settings};

pub use exit::{Drained, Error};
pub use site::Site;

use startup::{discover, log_policies, log_settings};

/// A daemon that has yet to run.
///
/// Tests set its clock and jitter: with the same ones, on one thread and a paused tokio clock, a
/// run makes the same calls to AWS in the same order.
#[derive(Debug)]
pub struct Daemon {
    /// The settings as they were loaded at the start.
    pub settings: Settings,
    /// How AWS is reached: credentials, region, endpoint and HTTP client.
    pub sdk: Sdk,
    /// The current values of the settings that can change while the daemon runs.
    pub live: watch::Receiver<Live>,
    /// The time of day, for the ages of events and the time of the last poll.
    pub clock: Clock,
    /// The source of random delays, so that retries do not all happen at the same time.
    pub jitter: Jitter,
    /// Where the daemon keeps what the admin port and systemd ask for, and its metrics.
    pub health: Arc<Health>,
    /// Set as soon as the daemon knows where it works, so that a reload can check policies.
    pub site: Arc<OnceLock<Site>>,
}

impl Daemon {
    /// A daemon with the machine's clock, random jitter, and settings that never change.
    pub fn new(settings: Settings, sdk: impl Into<Sdk>) -> Self {
        Self {
            live: watch::channel(settings.live()).1,
            settings,
            sdk: sdk.into(),
            clock: Clock::System,
            jitter: Jitter::seeded(fastrand::u64(..)),
            health: Arc::default(),
            site: Arc::default(),
        }
    }

    /// Runs as [`Daemon::run`] does, and beside it serves the admin port and reports to systemd,
    /// from before the first call to AWS to the end of the drain.
    ///
    /// If another process has the port, such as a predecessor that drains, the daemon works without
    /// it until it is free.
    ///
    /// # Errors
    /// Those of [`Daemon::run`], and an admin port that cannot be opened, or that is still taken
    /// after the time that a predecessor's drain may take.
    pub async fn serve(self, shutdown: Shutdown) -> Result<Drained, Error> {
        let (health, drain) = (Arc::clone(&self.health), shutdown.drain.clone());
        let admin = Admin::open(self.settings.admin.listen).await?;
        let milestones = Milestones { drain: drain.clone(), ..Milestones::default() };
        let reports = systemd::tell(Arc::clone(&health), milestones.clone());
        let served = serve_admin(admin, health, milestones.open);
        let daemon = Box::pin(self.run(shutdown));
        tokio::select! {
            biased;
            never = reports => match never {},
            drained = run_unless_port_fails(served, daemon, &drain) => drained,
        }
    }

    /// Runs until the drain begins, and drains.
    ///
    /// # Errors
    /// If the start fails, or a task ends before the drain: then what is held is drained first.
    pub async fn run(self, shutdown: Shutdown) -> Result<Drained, Error> {
        log_settings(&self.settings);
        self.open_audit().await?;
        let (health, drain_timeout) = (Arc::clone(&self.health), self.settings.drain.timeout);
        let connection = Connection::new(self.sdk.clone(), &health.metrics, delays::AWS_CALLS);
        let discovered = discover(&self.settings, &connection, &self.jitter, &shutdown.drain);
        let Some(discovered) = Box::pin(discovered).await? else {
            let drained = Drained::default();
            drained.log(0);
            return Ok(drained);
        };
        let site = self.site.get_or_init(|| discovered.site());
        let policies = site.policies(&self.settings, self.clock.wall(Instant::now()));
        let policies = policies.map_err(Error::Policies)?;
        log_policies(&policies, &self.settings);
        let context = self.context(policies, shutdown.drain.clone());
        let mut tasks = wiring::start(context, discovered, &health);
        info!("ready");
        let ended_early = shutdown.drain.run_until_cancelled(tasks.early_end()).await;
        // A poller that ends because of the drain may end before this task is woken by the drain.
        let ended_early =
            ended_early.filter(|end| end.panic.is_some() || !shutdown.drain.is_cancelled());
        if let Some(TaskEnd { name, panic }) = &ended_early {
            error!(task = name, panic, "a task ended early; draining what is held");
            shutdown.drain.cancel();
        }
        health.draining();
        let (drained, panicked) = tasks.drain(drain_timeout, &shutdown).await;
        match ended_early.or(panicked) {
            None => Ok(drained),
            Some(TaskEnd { name, .. }) => Err(anyhow!("a task ended early: {name}").into()),
        }
    }

    /// Opens the audit trail. A disk may hang, so that a thread of its own waits for it.
    async fn open_audit(&self) -> Result<(), Error> {
        let (settings, clock) = (self.settings.audit.clone(), self.clock);
        if !settings.is_on() {
            self.health.audits_to(Audit::off(), None);
            return Ok(());
        }
        let metrics = Arc::clone(&self.health.metrics);
        let opened = spawn_blocking(move || Audit::open(&settings, clock, &metrics)).await;
        let (audit, writer) = opened.map_err(anyhow::Error::from)?.map_err(Error::Policies)?;
        self.health.audits_to(audit, writer);
        Ok(())
    }

    /// Makes what all stages of the pipeline share.
    fn context(self, policies: Policies, drain: CancellationToken) -> Context {
        let Self { settings, live, clock, jitter, health, .. } = self;
        let (metrics, jitter) = (Arc::clone(&health.metrics), Arc::new(jitter));
        let breakers =
            Breakers::new(live.clone(), Arc::clone(&jitter), Arc::clone(&metrics), drain.clone());
        Context {
            live: LiveSettings { values: live, first_policies: Arc::new(policies) },
            clock,
            jitter,
            drain,
            polling_ended: CancellationToken::new(),
            liveness: Arc::clone(&health.liveness),
            panic_guard: PanicGuard::new(&metrics),
            breakers: Arc::new(breakers),
            settings,
            metrics,
        }
    }
}

/// Serves the admin port, if the settings name one. Ends only if another process keeps the port for
/// longer than a drain may take.
async fn serve_admin(
    admin: Option<Admin>,
    health: Arc<Health>,
    open: CancellationToken,
) -> anyhow::Result<Infallible> {
    let Some(admin) = admin else {
        open.cancel();
        return std::future::pending().await;
    };
    admin.serve(health, delays::ADMIN_HANDOVER, &open).await
}

/// Runs the daemon, and drains it if the admin port fails: without that port no health check could
/// tell a daemon that works from one that hangs.
async fn run_unless_port_fails(
    served: impl Future<Output = anyhow::Result<Infallible>>,
    mut daemon: Pin<Box<impl Future<Output = Result<Drained, Error>>>>,
    drain: &CancellationToken,
) -> Result<Drained, Error> {
    let Err(refused) = tokio::select! {
        biased;
        refused = served => refused,
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
