//! Facts: what EC2 says about an instance, as far as a verdict may depend on it.

use std::collections::BTreeMap;

use time::UtcDateTime;

use super::attribute::{Attribute, Attributes, Value};

/// The tags of one instance: values by key. Keys and values are case-sensitive, as in EC2.
pub type Tags = BTreeMap<String, String>;

/// What DescribeInstances says about one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether it runs.
    pub state: InstanceState,
    /// Its tags, as far as policies mention their keys, or the keys equal that of the exception tag
    /// but for case. They may differ from those that DescribeTags shows, since either call can lag
    /// behind a change.
    pub tags: Tags,
    /// Its attributes, as far as policies mention them.
    pub attributes: Attributes,
    /// Whether it is a spot instance. EC2 can stop one of a persistent spot request, but not of a
    /// one-time request; only its answer to StopInstances tells which of the two it is.
    pub is_spot: bool,
    /// Whether its root device is an instance store. EC2 cannot stop such an instance.
    pub has_instance_store_root: bool,
    /// Whether another AWS service, such as EKS Auto Mode, manages it.
    pub is_managed: bool,
    /// When it was last stopped, by whomever; `None` if that was not read, or EC2 does not say it.
    pub stopped: Option<UtcDateTime>,
}

/// The state of an instance, as far as it makes a difference to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// EC2 says `pending`, or a state that this version does not know.
    Pending,
    /// EC2 says `running`.
    Running,
    /// EC2 says `stopping` or `stopped`.
    Stopped,
    /// EC2 says `shutting-down` or `terminated`.
    Terminated,
}

impl Facts {
    /// When the instance was last started; `None` if that was not read, or EC2 does not say it.
    pub fn launched(&self) -> Option<UtcDateTime> {
        match self.attributes.get(&Attribute::LaunchTime) {
            Some(Value::Time(launched)) => Some(*launched),
            _ => None,
        }
    }

    /// A running on-demand instance without tags, on EBS, that no service manages.
    pub fn running() -> Self {
        Self {
            state: InstanceState::Running,
            tags: Tags::new(),
            attributes: Attributes::new(),
            is_spot: false,
            has_instance_store_root: false,
            is_managed: false,
            stopped: None,
        }
    }
}
