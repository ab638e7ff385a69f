//! Says when targets (account and region) are opened: at the start those of the daemon's own account,
//! when a reload adds a region those in it, and each other one when its first event comes or its
//! account is swept. Begins the sweeps.

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tracing::warn;

use crate::daemon::opener::{Opener, TARGET_LIMIT};
use crate::daemon::sweeps::Sweeps;
use crate::domain::ids::{Account, Region};
use crate::domain::members::Members;
use crate::domain::target::TargetKey;
use crate::pipeline::inbox::Waiting;
use crate::pipeline::sweep::begun::{Sweep, SweepMemory};
use crate::retry::delays;
use crate::runtime::liveness;
use crate::settings::Live;
use crate::telemetry::metrics::SweepEnd;

/// The word for the log field `reason` of messages that are retried because there are too many
/// targets.
const TOO_MANY_TARGETS: &str = "too_many_targets";

/// With so many targets open none is opened for a sweep: the rest is left to events.
const SWEPT_LIMIT: usize = TARGET_LIMIT / 5 * 4;

/// Opens targets, and begins their sweeps.
pub(super) struct Targets {
    /// Opens them.
    pub(super) opener: Opener,
    /// The queue's region, whose instances count where the setting `scope.regions` is empty.
    pub(super) default_region: Region,
    /// The regions whose instances count.
    pub(super) regions: Vec<Region>,
    /// Deliveries whose target is not open yet.
    pub(super) unopened: UnboundedReceiver<Waiting>,
    /// When the accounts are swept.
    pub(super) sweeps: Sweeps,
    /// What the sweeps share.
    pub(super) memory: SweepMemory,
}

/// What makes the task act.
enum Occasion {
    /// A delivery came whose target is not open.
    Unopened(Box<Waiting>),
    /// The settings may have changed.
    Reloaded,
    /// It is time to look for targets that have nothing to do.
    Check,
    /// An account is to be swept.
    Sweep,
    /// No delivery can come any more.
    PollingEnded,
}

impl Targets {
    /// Opens the targets of the daemon's own account.
    pub(super) fn opened(mut self) -> Self {
        self.follow_settings();
        self.sweeps.add(&self.opener.accounts.own);
        // Of any account that may send events, each is swept from its first event on.
        if let Members::Listed(accounts) = &self.opener.context.settings.accounts.members {
            for account in accounts {
                self.sweeps.add(account);
            }
        }
        self
    }

    /// Opens further targets until polling has ended, and then waits until all tasks have ended.
    pub(super) async fn run(mut self) {
        let mut live = self.opener.context.live.values.clone();
        let mut checks = interval(delays::TARGET_CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            liveness::within(delays::TARGET_CHECK);
            match self.next_occasion(&mut live, &mut checks).await {
                Occasion::Unopened(waiting) => self.send(*waiting),
                Occasion::Check => self.opener.close_idle(),
                Occasion::Reloaded => self.follow_settings(),
                Occasion::Sweep => self.sweep(),
                Occasion::PollingEnded => break,
            }
        }
        while let Ok(waiting) = self.unopened.try_recv() {
            self.send(waiting);
        }
        liveness::idle();
        self.opener.tasks.join_all().await;
    }

    async fn next_occasion(
        &mut self,
        live: &mut watch::Receiver<Live>,
        checks: &mut Interval,
    ) -> Occasion {
        let due = self.sweeps.next();
        tokio::select! {
            biased;
            () = self.opener.context.polling_ended.cancelled() => Occasion::PollingEnded,
            Some(waiting) = self.unopened.recv() => Occasion::Unopened(Box::new(waiting)),
            _ = checks.tick() => Occasion::Check,
            Ok(()) = live.changed() => Occasion::Reloaded,
            () = until(due) => Occasion::Sweep,
        }
    }

    /// Opens the targets of the own account in the regions that the settings name, and accepts
    /// events of these regions only. A target that they name no longer gets no more events.
    fn follow_settings(&mut self) {
        let live = self.opener.context.live.values.borrow().regions.clone();
        self.regions = if live.is_empty() { vec![self.default_region.clone()] } else { live };
        for key in self.targets_of(&self.opener.accounts.own) {
            self.opener.opened(&key);
        }
        self.memory.unread.keep(&self.regions);
        self.opener.router.accept(self.regions.clone());
    }

    /// Sends a delivery to its target, which is opened if an earlier one has not opened it.
    fn send(&mut self, waiting: Waiting) {
        let key = TargetKey::of(&waiting.delivery.event.key);
        if self.opener.opened(&key).is_none() {
            warn!(limit = TARGET_LIMIT, target = %key, "too many accounts and regions at a time");
            let (settlements, after) = (&self.opener.exits.settlements, delays::TOO_MANY_TARGETS);
            return settlements.retry(waiting.delivery, TOO_MANY_TARGETS, after);
        }
        self.sweeps.add(&key.account);
        self.opener.router.send(waiting);
    }

    /// Begins the sweeps that are due.
    fn sweep(&mut self) {
        for account in self.sweeps.take_due() {
            for key in self.targets_of(&account) {
                self.begin_sweep(&key);
            }
        }
    }

    fn begin_sweep(&mut self, key: &TargetKey) {
        let is_open = self.opener.router.evaluator(key).is_some();
        let has_room = is_open || self.opener.router.count() < SWEPT_LIMIT;
        let Some(evaluator) = has_room.then(|| self.opener.opened(key)).flatten() else {
            self.opener.context.metrics.count_sweep(SweepEnd::Failed);
            return warn!(limit = SWEPT_LIMIT, target = %key, "too many accounts and regions for a sweep");
        };
        let Some(begun) = self.sweeps.begin(key, self.opener.planner.now()) else { return };
        let sweep = Sweep {
            _held: evaluator.target.held.count(),
            evaluator,
            memory: self.memory.clone(),
            period: begun.period,
            unread: begun.unread,
            is_first: begun.is_first,
        };
        let places = self.sweeps.places.clone();
        self.opener.tasks.spawn("sweep", async move {
            liveness::idle();
            // The semaphore is never closed.
            let Ok(place) = places.acquire_owned().await else { return };
            begun.ended(sweep.run(place).await);
        });
    }

    /// An account in all regions that count.
    fn targets_of(&self, account: &Account) -> Vec<TargetKey> {
        let key = |region: &Region| TargetKey { account: account.clone(), region: region.clone() };
        self.regions.iter().map(key).collect()
    }
}

/// Waits until a time; for ever without one.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl Drop for Targets {
    /// Ends the tasks with the one that has started them, if that is aborted.
    fn drop(&mut self) {
        self.opener.tasks.abort_all();
    }
}
