//! An instance and its states.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::details::{Details, Network};
use super::past::Past;
use super::reason::Reason;
use crate::sandbox::world::arn;

/// An instance. The sandbox keeps this value, and tests get copies of it.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Two accounts can have instances with the same id.
    pub id: String,
    pub account: String,
    pub region: String,
    pub state: State,
    /// Why it is in this state.
    pub reason: Reason,
    pub tags: BTreeMap<String, String>,
    /// Shared, since the ledger keeps those that each look showed.
    pub details: Arc<Details>,
    /// Whether `DisableApiStop` is set: stop protection.
    pub stop_protected: bool,
    /// `Operator.Managed`: whether an AWS service runs it. Then lists leave it out, and only that
    /// service may stop it.
    pub managed: bool,
    /// Whether its changes of state send no events.
    pub quiet: bool,
    pub(super) past: Past,
    /// The operations whose answers leave its tags out.
    pub(in crate::sandbox) tags_unseen_by: BTreeSet<String>,
}

impl Instance {
    pub(in crate::sandbox) fn arn(&self) -> String {
        arn(&self.account, "ec2", &self.region, &format!("instance/{}", self.id))
    }

    pub(super) fn shows_tags_to(&self, operation: &str) -> bool {
        !self.tags_unseen_by.contains(operation)
    }

    /// The details as `DescribeInstances` shows them in the instance's state: a stopped instance
    /// has no public address, and a terminated one is in no network.
    pub(in crate::sandbox) fn shown(&self) -> Arc<Details> {
        let mut shown = Arc::clone(&self.details);
        match self.state {
            State::Stopped if shown.network.public_address.is_some() => {
                Arc::make_mut(&mut shown).network.public_address = None;
            }
            State::Terminated => Arc::make_mut(&mut shown).network = Network::default(),
            _ => {}
        }
        shown
    }
}

/// The states of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl State {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    pub(super) fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    /// Whether it is terminated or about to be, which cannot be undone.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How an instance is paid for. `DescribeInstances` shows both kinds of spot instance alike; only a
/// `StopInstances`, which EC2 refuses for a one-time request, shows the difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lifecycle {
    #[default]
    OnDemand,
    SpotOneTime,
    SpotPersistent,
}

/// Where the root volume is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Root {
    #[default]
    Ebs,
    InstanceStore,
}
