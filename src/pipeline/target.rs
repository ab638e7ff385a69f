//! A target: one account in one region, in which instances are looked up and stopped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::aws::ec2::Instances;
use crate::aws::operation::Operation;
use crate::domain::ids::InstanceId;
use crate::domain::target::TargetKey;
use crate::pipeline::budget::TargetBudget;
use crate::pipeline::context::Context;
use crate::pipeline::enforce::denied::DeniedStops;
use crate::pipeline::held::Held;
use crate::pipeline::trial::Trials;
use crate::rate_limit::RateLimits;
use crate::rate_limit::loops::Loops;
use crate::retry::delays;

/// What the evaluators and enforcers of one account and region share. Nothing that happens to one
/// target holds up another.
#[derive(Debug)]
pub(crate) struct Target {
    /// The account and the region.
    pub(crate) key: TargetKey,
    /// The EC2 client of the region.
    pub(crate) instances: Instances,
    /// The instance that the daemon runs on, which it must not stop.
    pub(crate) own_host: Option<InstanceId>,
    /// Give permits for calls to EC2.
    pub(crate) rate_limits: RateLimits,
    /// How many instances may be stopped in which time.
    pub(crate) budget: TargetBudget,
    /// The Auto Scaling groups whose instances were stopped.
    pub(crate) loops: Loops,
    /// Stops that show whether owners can be told.
    pub(crate) trials: Trials,
    /// The queue of stops that IAM denied.
    pub(crate) denied_stops: DeniedStops,
    /// How many of its messages are held.
    pub(crate) held: Held,
}

impl Target {
    /// DescribeTags of this target: the calls of each are paused by themselves.
    pub(crate) fn describe_tags(&self) -> Operation {
        Operation::DescribeTags(self.key.clone())
    }

    /// DescribeInstances of this target.
    pub(crate) fn describe_instances(&self) -> Operation {
        Operation::DescribeInstances(self.key.clone())
    }

    /// StopInstances of this target.
    pub(crate) fn stop_instances(&self) -> Operation {
        Operation::StopInstances(self.key.clone())
    }

    /// The calls to EC2 that are paused by themselves.
    pub(crate) fn operations(&self) -> [Operation; 3] {
        [self.describe_tags(), self.describe_instances(), self.stop_instances()]
    }

    /// Whether the target has held no message for long, and nothing is remembered for it that
    /// another message would need.
    pub(crate) fn is_idle(&self, context: &Context) -> bool {
        self.held.none_for().is_some_and(|idle| idle >= delays::TARGET_IDLE)
            && self.denied_stops.count() == 0
            && self.loops.are_none()
            && self.operations().iter().all(|call| !context.breakers.is_paused(call))
    }

    /// Whether the role is known to be allowed to stop instances: a stop succeeded within the last
    /// `policy.denial_timeout_secs`.
    pub(crate) fn may_stop(&self, context: &Context) -> bool {
        context
            .breakers
            .succeeded_within(&self.stop_instances(), context.settings.policy.denial_timeout)
    }
}

/// The targets that are open, for the admin port. Clones share the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetList(Arc<Mutex<Vec<Arc<Target>>>>);

impl TargetList {
    /// Adds a target.
    pub(crate) fn add(&self, target: Arc<Target>) {
        self.lock().push(target);
    }

    /// Removes a target.
    pub(crate) fn remove(&self, key: &TargetKey) {
        self.lock().retain(|target| target.key != *key);
    }

    /// Whether there are several.
    pub(crate) fn are_several(&self) -> bool {
        self.lock().len() > 1
    }

    /// All targets that are open.
    pub(crate) fn all(&self) -> Vec<Arc<Target>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Target>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
