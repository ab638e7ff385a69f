//! What EC2 says of an instance, as far as the policy may ask for it.

use std::collections::BTreeMap;

/// The tags of one instance: values by key. Both are compared with case, as EC2 keeps them.
pub type Tags = BTreeMap<String, String>;

/// One instance as DescribeInstances shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the instance is doing.
    pub state: InstanceState,
    /// Its tags, which may differ from those that DescribeTags shows: either call can lag.
    pub tags: Tags,
    /// Whether it is a spot instance. EC2 cannot stop one of a one-time spot request, but only its
    /// answer to StopInstances tells one-time from persistent.
    pub is_spot: bool,
    /// Whether its root device is an instance store; EC2 cannot stop such an instance.
    pub has_instance_store_root: bool,
    /// Whether another AWS service, such as EKS Auto Mode, looks after it.
    pub is_managed: bool,
}

/// The state of an instance, as far as it makes a difference to the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// On its way to running, or in a state that nobody knows.
    Pending,
    /// Running.
    Running,
    /// Stopping or stopped.
    Stopped,
    /// Shutting down or terminated.
    Terminated,
}
