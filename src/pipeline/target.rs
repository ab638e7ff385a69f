//! A target: one account in one region, in which instances are looked up and stopped.

use std::sync::{Arc, Mutex, PoisonError};

use crate::aws::ec2::Instances;
use crate::aws::operation::Operation;
use crate::domain::event::EventKey;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::pipeline::budget::TargetBudget;
use crate::pipeline::context::Context;
use crate::pipeline::enforce::denied::DeniedStops;
use crate::pipeline::trial::Trials;
use crate::rate_limit::RateLimits;
use crate::rate_limit::loops::Loops;

/// The account and the region of a target. Its instances share credentials, EC2's rate limits, and
/// outages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TargetKey {
    /// The account that the instances belong to.
    pub(crate) account: Account,
    /// The region that they run in.
    pub(crate) region: Region,
}

impl TargetKey {
    /// The target to which the instance of an event belongs.
    pub(crate) fn of(event: &EventKey) -> Self {
        Self { account: event.account.clone(), region: event.region.clone() }
    }
}

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
}

impl Target {
    /// DescribeTags in this region: each region's calls are paused by themselves.
    pub(crate) fn describe_tags(&self) -> Operation {
        Operation::DescribeTags(self.key.region.clone())
    }

    /// DescribeInstances in this region.
    pub(crate) fn describe_instances(&self) -> Operation {
        Operation::DescribeInstances(self.key.region.clone())
    }

    /// StopInstances in this region.
    pub(crate) fn stop_instances(&self) -> Operation {
        Operation::StopInstances(self.key.region.clone())
    }

    /// Whether the role is known to be allowed to stop instances: a stop succeeded within the last
    /// `policy.denial_timeout_secs`.
    pub(crate) fn may_stop(&self, context: &Context) -> bool {
        context
            .breakers
            .succeeded_within(&self.stop_instances(), context.settings.policy.denial_timeout)
    }
}

/// The targets that have been started, for the admin port. Clones share the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetList(Arc<Mutex<Vec<Arc<Target>>>>);

impl TargetList {
    /// Adds a target.
    pub(crate) fn add(&self, target: Arc<Target>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(target);
    }

    /// All targets that have been started.
    pub(crate) fn all(&self) -> Vec<Arc<Target>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
