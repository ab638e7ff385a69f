//! Violators that share a StopInstances call, and what is known of them.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::ids::InstanceId;
use crate::pipeline::delivery::{self, Delivery};
use crate::rate_limit::Permit;

/// A stop may start so long after the answer to its look.
pub const FRESHNESS: Duration = Duration::from_secs(5);

/// Violators that share a StopInstances call.
#[derive(Debug)]
pub struct StopBatch {
    /// Who they are.
    pub deliveries: Vec<Delivery>,
    /// When they were last seen running and untagged; `None` before the look.
    pub looked_at: Option<Instant>,
    /// The pace's leave for the next stop.
    pub permit: Option<Permit>,
    /// Spot instances, which fail for reasons of their own, have calls of their own.
    pub spot: bool,
    /// What earlier attempts came to.
    pub history: History,
}

/// What earlier attempts to stop a group came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct History {
    /// Since when it has waited aside, because the role was denied a stop.
    pub denied_since: Option<Instant>,
    /// Whether the role was denied the stop of this very group, or of one that it was part of.
    pub denied: bool,
    /// Whether EC2 said already that the state does not allow a stop.
    pub wrong_state: bool,
}

impl StopBatch {
    /// A group that must be looked at.
    pub fn unseen(deliveries: Vec<Delivery>, history: History) -> Self {
        Self { deliveries, looked_at: None, permit: None, spot: false, history }
    }

    /// A group that was just seen running and untagged.
    pub fn seen(deliveries: Vec<Delivery>, at: Instant, history: History) -> Self {
        Self { looked_at: Some(at), ..Self::unseen(deliveries, history) }
    }

    /// The distinct instances of the group.
    pub fn ids(&self) -> BTreeSet<InstanceId> {
        delivery::instances(&self.deliveries)
    }

    /// Whether the look is recent enough to stop upon.
    pub fn is_fresh(&self) -> bool {
        self.fresh_until().is_some_and(|until| Instant::now() <= until)
    }

    /// Until when the look is recent enough.
    pub fn fresh_until(&self) -> Option<Instant> {
        self.looked_at.map(|at| at + FRESHNESS)
    }

    /// The group in two halves, no instance in both.
    pub fn halves(self) -> [Self; 2] {
        let group = |deliveries| Self { deliveries, ..Self::unseen(Vec::new(), self.history) };
        delivery::halves(self.deliveries).map(group)
    }
}

/// One group that must be looked at, unless nobody is left.
pub fn unseen(deliveries: Vec<Delivery>, history: History) -> Vec<StopBatch> {
    if deliveries.is_empty() {
        return Vec::new();
    }
    vec![StopBatch::unseen(deliveries, history)]
}
