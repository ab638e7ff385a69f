//! One account in one region, where instances are looked up and stopped.

use std::sync::{Arc, Mutex, PoisonError};

use crate::aws::ec2::Instances;
use crate::aws::operation::Operation;
use crate::domain::event::EventKey;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::Policy;
use crate::pipeline::context::Context;
use crate::pipeline::enforce::denied::DeniedStops;
use crate::rate_limit::RateLimits;

/// One account in one region: where instances share credentials, limits and outages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TargetKey {
    /// The account that the instances belong to.
    pub(crate) account: Account,
    /// The region that they run in.
    pub(crate) region: Region,
}

impl TargetKey {
    /// Where the instance of an event is looked up and stopped.
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
    /// Its instances, with the credentials that reach them.
    pub(crate) instances: Instances,
    /// What an instance must carry.
    pub(crate) policy: Policy,
    /// The instance that the daemon runs on, which it must not stop.
    pub(crate) own_host: Option<InstanceId>,
    /// When the next call to EC2 may start.
    pub(crate) rate_limits: RateLimits,
    /// Where deliveries wait whose stop IAM denied.
    pub(crate) denied_stops: DeniedStops,
}

impl Target {
    /// The DescribeTags calls of this target, which pause by themselves.
    pub(crate) fn describe_tags(&self) -> Operation {
        Operation::DescribeTags(self.key.region.clone())
    }

    /// Its DescribeInstances calls.
    pub(crate) fn describe_instances(&self) -> Operation {
        Operation::DescribeInstances(self.key.region.clone())
    }

    /// Its StopInstances calls.
    pub(crate) fn stop_instances(&self) -> Operation {
        Operation::StopInstances(self.key.region.clone())
    }

    /// Whether the role is known to be allowed to stop: it stopped something not long ago.
    pub(crate) fn may_stop(&self, context: &Context) -> bool {
        context
            .breakers
            .succeeded_within(&self.stop_instances(), context.settings.policy.denial_timeout)
    }
}

/// The targets that have been started, for whoever asks from outside how they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetList(Arc<Mutex<Vec<Arc<Target>>>>);

impl TargetList {
    /// Adds a target.
    pub(crate) fn add(&self, target: Arc<Target>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(target);
    }

    /// All targets so far.
    pub(crate) fn all(&self) -> Vec<Arc<Target>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
