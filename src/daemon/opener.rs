//! Opens targets: makes what the evaluators and enforcers of an account and region need.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tracing::{debug, info};

use crate::aws::ec2::Instances;
use crate::daemon::accounts::Accounts;
use crate::domain::hold::Hold;
use crate::domain::ids::InstanceId;
use crate::domain::target::TargetKey;
use crate::pipeline::context::Context;
use crate::pipeline::enforce::Enforcer;
use crate::pipeline::enforce::denied::DeniedStops;
use crate::pipeline::evaluator::Evaluator;
use crate::pipeline::exits::Exits;
use crate::pipeline::held::Held;
use crate::pipeline::planner::Planner;
use crate::pipeline::router::Router;
use crate::pipeline::share::Share;
use crate::pipeline::target::Target;
use crate::pipeline::trial::Trials;
use crate::rate_limit::RateLimits;
use crate::rate_limit::loops::Loops;
use crate::runtime::pool::Pool;
use crate::runtime::work_queue::WorkQueue;

/// The most targets that are open at a time.
pub(super) const TARGET_LIMIT: usize = 5000;

/// Opens and closes targets. Each has an inbox, a queue of violators and workers of its own, so that
/// an outage in one account or region holds up no other.
pub(super) struct Opener {
    /// What all stages share.
    pub(super) context: Arc<Context>,
    /// The way to AWS in each account.
    pub(super) accounts: Accounts,
    /// The instance that the daemon runs on, which must not be stopped.
    pub(super) own_host: Option<InstanceId>,
    /// Where each target registers its evaluator, so that pollers can send deliveries to it.
    pub(super) router: Arc<Router>,
    /// Where evaluators and enforcers send the deliveries that they have finished with.
    pub(super) exits: Exits,
    /// Plans the stops of all targets.
    pub(super) planner: Arc<Planner>,
    /// How much each target may hold. It has the list of those that are open.
    pub(super) share: Share,
    /// The evaluators and enforcers of all targets.
    pub(super) tasks: Pool,
}

impl Opener {
    /// The evaluator of a target, which is opened if need be; `None` if too many are open.
    pub(super) fn opened(&mut self, key: &TargetKey) -> Option<Arc<Evaluator>> {
        let open = self.router.evaluator(key);
        open.or_else(|| (self.router.count() < TARGET_LIMIT).then(|| self.open(key.clone())))
    }

    fn open(&mut self, key: TargetKey) -> Arc<Evaluator> {
        let TargetKey { account, region } = &key;
        info!(%account, %region, "enforcing the policy in an account and region");
        let target = Arc::new(self.target(key));
        for operation in target.operations() {
            if target.key.account == self.accounts.own {
                self.context.breakers.watch(operation);
            } else {
                self.context.breakers.add(operation);
            }
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
        let evaluator = Arc::new(Evaluator {
            context: Arc::clone(&self.context),
            target: Arc::clone(&target),
            inbox: Arc::new(WorkQueue::new(sizes.evaluators)),
            share: self.share.clone(),
            enforcer: Arc::new(enforcer),
            exits: self.exits.clone(),
            planner: Arc::clone(&self.planner),
            tasks: self.tasks.clone(),
        });
        self.router.open(target.key.clone(), Arc::clone(&evaluator));
        self.share.open.add(target);
        evaluator
    }

    /// Closes the targets of member accounts that have had nothing to do for long, and forgets the
    /// credentials of accounts without targets.
    pub(super) fn close_idle(&mut self) {
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
