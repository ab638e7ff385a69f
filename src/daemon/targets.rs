//! Opens the targets (account and region): at the start those of the daemon's own account, when a
//! reload adds a region those in it, and each other one when its first event comes.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::aws::ec2::Instances;
use crate::daemon::accounts::Accounts;
use crate::domain::hold::Hold;
use crate::domain::ids::{InstanceId, Region};
use crate::domain::target::TargetKey;
use crate::pipeline::context::Context;
use crate::pipeline::enforce::Enforcer;
use crate::pipeline::enforce::denied::DeniedStops;
use crate::pipeline::evaluator::Evaluator;
use crate::pipeline::exits::Exits;
use crate::pipeline::held::Held;
use crate::pipeline::inbox::Waiting;
use crate::pipeline::planner::Planner;
use crate::pipeline::router::Router;
use crate::pipeline::share::Share;
use crate::pipeline::target::Target;
use crate::pipeline::trial::Trials;
use crate::rate_limit::RateLimits;
use crate::rate_limit::loops::Loops;
use crate::retry::delays;
use crate::runtime::liveness;
use crate::runtime::pool::Pool;
use crate::runtime::work_queue::WorkQueue;
use crate::settings::Live;

/// The most targets that are open at a time.
const TARGET_LIMIT: usize = 5000;

/// The word for the log field `reason` of messages that are retried because there are too many
/// targets.
const TOO_MANY_TARGETS: &str = "too_many_targets";

/// Opens targets. Each has an inbox, a queue of violators and workers of its own, so that an outage
/// in one account or region holds up no other.
pub(super) struct Targets {
    /// What all stages share.
    pub(super) context: Arc<Context>,
    /// The way to AWS in each account.
    pub(super) accounts: Accounts,
    /// The queue's region, whose instances count where the setting `scope.regions` is empty.
    pub(super) default_region: Region,
    /// The instance that the daemon runs on, which must not be stopped.
    pub(super) own_host: Option<InstanceId>,
    /// Where each target registers its evaluator, so that pollers can send deliveries to it.
    pub(super) router: Arc<Router>,
    /// Deliveries whose target is not open yet.
    pub(super) unopened: UnboundedReceiver<Waiting>,
    /// Where evaluators and enforcers send the deliveries that they have finished with.
    pub(super) exits: Exits,
    /// Plans the stops of all targets.
    pub(super) planner: Arc<Planner>,
    /// How much each target may hold. It has the list of those that are open.
    pub(super) share: Share,
    /// The evaluators and enforcers of all targets.
    pub(super) tasks: Pool,
}

/// What makes the task act.
enum Occasion {
    /// A delivery came whose target is not open.
    Unopened(Box<Waiting>),
    /// The settings may have changed.
    Reloaded,
    /// It is time to look for targets that have nothing to do.
    Check,
    /// No delivery can come any more.
    PollingEnded,
}

impl Targets {
    /// Opens the targets of the daemon's own account.
    pub(super) fn opened(mut self) -> Self {
        self.follow_settings();
        self
    }

    /// Opens further targets until polling has ended, and then waits until all tasks have ended.
    pub(super) async fn run(mut self) {
        let mut live = self.context.live.values.clone();
        let mut checks = interval(delays::TARGET_CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            liveness::within(delays::TARGET_CHECK);
            match self.next_occasion(&mut live, &mut checks).await {
                Occasion::Unopened(waiting) => self.send(*waiting),
                Occasion::Check => self.close_idle(),
                Occasion::Reloaded => self.follow_settings(),
                Occasion::PollingEnded => break,
            }
        }
        while let Ok(waiting) = self.unopened.try_recv() {
            self.send(waiting);
        }
        liveness::idle();
        self.tasks.join_all().await;
    }

    async fn next_occasion(
        &mut self,
        live: &mut watch::Receiver<Live>,
        checks: &mut Interval,
    ) -> Occasion {
        tokio::select! {
            biased;
            () = self.context.polling_ended.cancelled() => Occasion::PollingEnded,
            Some(waiting) = self.unopened.recv() => Occasion::Unopened(Box::new(waiting)),
            _ = checks.tick() => Occasion::Check,
            Ok(()) = live.changed() => Occasion::Reloaded,
        }
    }

    /// Opens the targets of the own account in the regions that the settings name, and accepts
    /// events of these regions only. A target that they name no longer gets no more events.
    fn follow_settings(&mut self) {
        let live = self.context.live.values.borrow().regions.clone();
        let regions = if live.is_empty() { vec![self.default_region.clone()] } else { live };
        for region in &regions {
            let key = TargetKey { account: self.accounts.own.clone(), region: region.clone() };
            if !self.router.has(&key) {
                self.open(key);
            }
        }
        self.router.accept(regions);
    }

    /// Sends a delivery to its target, which is opened if an earlier one has not opened it.
    fn send(&mut self, waiting: Waiting) {
        let key = TargetKey::of(&waiting.delivery.event.key);
        if !self.router.has(&key) {
            if self.router.count() >= TARGET_LIMIT {
                warn!(limit = TARGET_LIMIT, target = %key, "too many accounts and regions at a time");
                let settlements = &self.exits.settlements;
                return settlements.retry(
                    waiting.delivery,
                    TOO_MANY_TARGETS,
                    delays::TOO_MANY_TARGETS,
                );
            }
            self.open(key);
        }
        self.router.send(waiting);
    }

    fn open(&mut self, key: TargetKey) {
        let TargetKey { account, region } = &key;
        info!(%account, %region, "enforcing the policy in an account and region");
        let target = Arc::new(self.target(key));
        for operation in target.operations() {
            self.context.breakers.watch(operation);
        }
        let sizes = &self.context.settings.sizes;
        let enforcer = Enforcer {
            context: Arc::clone(&self.context),
            target: Arc::clone(&target),
            exits: self.exits.clone(),
            planner: Arc::clone(&self.planner),
            share: self.share.clone(),
            violators: Arc::new(WorkQueue::new(sizes.enforcers)),
            room: Arc::new(Semaphore::new(sizes.stop_queue)),
            tasks: self.tasks.clone(),
        };
        let evaluator = Evaluator {
            context: Arc::clone(&self.context),
            target: Arc::clone(&target),
            inbox: Arc::new(WorkQueue::new(sizes.evaluators)),
            share: self.share.clone(),
            enforcer: Arc::new(enforcer),
            exits: self.exits.clone(),
            planner: Arc::clone(&self.planner),
            tasks: self.tasks.clone(),
        };
        self.router.open(target.key.clone(), Arc::new(evaluator));
        self.share.open.add(target);
    }

    /// Closes the targets of member accounts that have had nothing to do for long, and forgets the
    /// credentials of accounts without targets.
    fn close_idle(&mut self) {
        let is_member = |target: &Arc<Target>| target.key.account != self.accounts.own;
        let idle = self.share.open.all().into_iter().filter(is_member).filter(|target| {
            target.is_idle(&self.context) && self.router.close_if_idle(&target.key)
        });
        let closed: Vec<_> = idle.collect();
        for target in closed {
            let TargetKey { account, region } = &target.key;
            debug!(%account, %region, "nothing comes from an account and region any more");
            for operation in target.operations() {
                self.context.breakers.unwatch(&operation);
            }
            self.share.open.remove(&target.key);
            if !self.share.open.all().iter().any(|open| open.key.account == *account) {
                self.accounts.forget(account);
            }
        }
    }

    fn target(&mut self, key: TargetKey) -> Target {
        let connection = self.accounts.connection(&key.account);
        let is_own = key.account == self.accounts.own;
        let context = &self.context;
        Target {
            instances: Instances::new(&connection, &key.region, context.policies().reads()),
            own_host: self.own_host.clone().filter(|_| is_own),
            budget: self.exits.hold_tags.budget.of(Hold::of(&key.account, &key.region)),
            rate_limits: RateLimits::new(
                context.live.values.clone(),
                Arc::clone(&context.jitter),
                context.drain.clone(),
            ),
            loops: Loops::default(),
            trials: Trials::default(),
            denied_stops: DeniedStops::default(),
            held: Held::default(),
            key,
        }
    }
}

impl Drop for Targets {
    /// Ends the tasks with the one that has started them, if that is aborted.
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}
