//! Starts the evaluators and enforcers of each target (account and region), at the start and when a
//! reload adds a region.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{error, info};

use crate::aws::connection::Connection;
use crate::aws::ec2::Instances;
use crate::domain::hold::Hold;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::enforce::Enforcer;
use crate::pipeline::enforce::denied::DeniedStops;
use crate::pipeline::evaluator::Evaluator;
use crate::pipeline::exits::Exits;
use crate::pipeline::planner::Planner;
use crate::pipeline::router::Router;
use crate::pipeline::target::{Target, TargetKey, TargetList};
use crate::pipeline::trial::Trials;
use crate::rate_limit::RateLimits;
use crate::rate_limit::loops::Loops;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::liveness;
use crate::runtime::tasks::{TaskEnd, Tasks};

/// Starts the tasks of all targets, and holds them. Each target has evaluators, a queue of
/// violators and enforcers of its own, so that an outage in one region holds up no other.
pub(super) struct Targets {
    /// What all stages share.
    pub(super) context: Arc<Context>,
    /// What the EC2 client of each target is made from.
    pub(super) connection: Connection,
    /// The account whose instances count.
    pub(super) account: Account,
    /// The queue's region, whose instances count where the setting `scope.regions` is empty.
    pub(super) default_region: Region,
    /// The instance that the daemon runs on, which must not be stopped.
    pub(super) own_host: Option<InstanceId>,
    /// Where each target registers its inbox, so that pollers can send deliveries to it.
    pub(super) router: Arc<Router>,
    /// Where evaluators and enforcers send the deliveries that they have finished with.
    pub(super) exits: Exits,
    /// Plans the stops of all targets.
    pub(super) planner: Arc<Planner>,
    /// The targets that have been started, for the admin port.
    pub(super) started: TargetList,
    /// The evaluators and enforcers of all targets.
    pub(super) tasks: Tasks,
}

impl Targets {
    /// Starts the targets that the settings name.
    pub(super) fn started(mut self) -> Self {
        self.follow_settings();
        self
    }

    /// Starts further targets when a reload adds regions, until the drain begins, and then waits
    /// until all tasks have ended. If one of them ends before the drain, this task ends too, which
    /// the supervisor notices.
    pub(super) async fn run(mut self) {
        let (drain, mut live) = (self.context.drain.clone(), self.context.live.values.clone());
        while !drain.is_cancelled() {
            liveness::idle();
            let ended = tokio::select! {
                biased;
                () = drain.cancelled() => break,
                end = self.tasks.join_next() => end,
                Ok(()) = live.changed() => None,
            };
            match ended {
                None => self.follow_settings(),
                // The drain closes the channels, and this task may see a task end before it sees
                // the drain.
                Some(TaskEnd { panic: None, .. }) if drain.is_cancelled() => {}
                Some(TaskEnd { name, panic }) => {
                    return error!(task = name, panic, "a task of a target ended early");
                }
            }
        }
        let Self { mut tasks, router, exits, .. } = self;
        // From here on only the pollers keep the channels open, so that they close when the last
        // poller has ended.
        drop((router, exits));
        liveness::idle();
        tasks.join_all().await;
    }

    /// Starts the targets that the settings name and that have not been started, and accepts events
    /// of the regions that the settings name only. A target that they name no longer gets no more
    /// events, and its tasks stay idle.
    fn follow_settings(&mut self) {
        let live = self.context.live.values.borrow().regions.clone();
        let regions = if live.is_empty() { vec![self.default_region.clone()] } else { live };
        for region in &regions {
            let key = TargetKey { account: self.account.clone(), region: region.clone() };
            if !self.router.has(&key) {
                info!(%region, "enforcing the policy in a region");
                self.start(key);
            }
        }
        self.router.accept(regions);
    }

    /// Starts the evaluators and enforcers of a target, and opens its inbox to the pollers.
    fn start(&mut self, key: TargetKey) {
        let target = Arc::new(self.target(key));
        for operation in
            [target.describe_tags(), target.describe_instances(), target.stop_instances()]
        {
            self.context.breakers.watch(operation);
        }
        let (violators, to_stop) = mpsc::channel(self.context.settings.sizes.stop_queue);
        let (inbox, to_evaluate) = mpsc::unbounded_channel();
        let evaluator = Evaluator {
            context: Arc::clone(&self.context),
            target: Arc::clone(&target),
            inbox: BatchReceiver::from(to_evaluate),
            violators,
            exits: self.exits.clone(),
            planner: Arc::clone(&self.planner),
        };
        self.spawn_evaluators(&Arc::new(evaluator));
        let enforcer = Enforcer {
            context: Arc::clone(&self.context),
            target: Arc::clone(&target),
            exits: self.exits.clone(),
            planner: Arc::clone(&self.planner),
        };
        self.spawn_enforcers(&Arc::new(enforcer), &BatchReceiver::from(to_stop));
        self.router.open(target.key.clone(), inbox);
        self.started.add(target);
    }

    fn target(&self, key: TargetKey) -> Target {
        let context = &self.context;
        let policies = context.policies();
        Target {
            instances: Instances::new(&self.connection, &key.region, policies.reads()),
            own_host: self.own_host.clone(),
            budget: self.exits.hold_tags.budget.of(Hold::of(&key.account, &key.region)),
            rate_limits: RateLimits::new(
                context.live.values.clone(),
                Arc::clone(&context.jitter),
                context.drain.clone(),
            ),
            loops: Loops::default(),
            trials: Trials::default(),
            denied_stops: DeniedStops::default(),
            key,
        }
    }

    fn spawn_evaluators(&mut self, evaluator: &Arc<Evaluator>) {
        for _ in 0..self.context.settings.sizes.evaluators {
            self.tasks.spawn("evaluator", Arc::clone(evaluator).run());
        }
    }

    fn spawn_enforcers(&mut self, enforcer: &Arc<Enforcer>, violators: &BatchReceiver<Delivery>) {
        self.tasks.spawn("denied_stops", Arc::clone(enforcer).retry_denied());
        for _ in 0..self.context.settings.sizes.enforcers {
            self.tasks.spawn("enforcer", Arc::clone(enforcer).run(violators.clone()));
        }
    }
}
