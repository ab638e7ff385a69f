//! Deliveries that share a StopInstances call, and what is known of them.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::domain::ids::InstanceId;
use crate::pipeline::delivery::{self, Delivery};
use crate::rate_limit::Permit;
use crate::retry::delays;

/// Deliveries that share a StopInstances call.
#[derive(Debug)]
pub(crate) struct StopBatch {
    /// The deliveries; several may be about one instance.
    pub(crate) deliveries: Vec<Delivery>,
    /// When their instances were last seen running without the exception tag; `None` if they must
    /// be looked at first.
    pub(crate) looked_at: Option<Instant>,
    /// The rate limit's permit for the next stop; `None` if one must be waited for.
    pub(crate) permit: Option<Permit>,
    /// Whether these are spot instances, which fail for reasons of their own and so have calls of
    /// their own.
    pub(crate) is_spot: bool,
    /// What earlier attempts came to.
    pub(crate) history: History,
}

/// What earlier attempts to stop a batch came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    /// When IAM first denied the stop, if it has been parked since.
    pub(crate) denied_since: Option<Instant>,
    /// Whether IAM denied the stop of this batch, or of one that it was part of.
    pub(crate) was_denied: bool,
    /// Whether EC2 said already that an instance is in a state in which it cannot be stopped.
    pub(crate) was_in_wrong_state: bool,
}

impl StopBatch {
    /// A batch whose instances must be looked at.
    pub(crate) fn unseen(deliveries: Vec<Delivery>, history: History) -> Self {
        Self { deliveries, looked_at: None, permit: None, is_spot: false, history }
    }

    /// A batch of deliveries that nobody has tried to stop.
    pub(crate) fn new(deliveries: Vec<Delivery>) -> Self {
        Self::unseen(deliveries, History::default())
    }

    /// The same batch, to be looked at anew.
    pub(crate) fn look_again(self) -> Self {
        Self::unseen(self.deliveries, self.history)
    }

    /// The batch as a list, empty if it has no delivery.
    pub(crate) fn if_any(self) -> Vec<Self> {
        if self.deliveries.is_empty() { Vec::new() } else { vec![self] }
    }

    /// The distinct instances of the batch.
    pub(crate) fn ids(&self) -> BTreeSet<InstanceId> {
        delivery::instances(&self.deliveries)
    }

    /// Whether the batch is about one instance.
    pub(crate) fn is_single(&self) -> bool {
        self.ids().len() == 1
    }

    /// Whether the look is recent enough to stop upon.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh_until().is_some_and(|until| Instant::now() <= until)
    }

    /// Until when the look is recent enough to stop upon.
    pub(crate) fn fresh_until(&self) -> Option<Instant> {
        self.looked_at.map(|at| at + delays::LOOK_FRESHNESS)
    }

    /// The batch in two halves, no instance in both, each to be looked at anew.
    pub(crate) fn halves(self) -> [Self; 2] {
        delivery::halves(self.deliveries).map(|half| Self::unseen(half, self.history))
    }

    /// The deliveries whose instance an error names, and the others; the look counts for both.
    /// Where the error names none or all of them, halves.
    pub(crate) fn split_by_name(self, error_message: &str) -> [Self; 2] {
        let is_named = |delivery: &Delivery| error_message.contains(delivery.instance().as_str());
        let count = self.deliveries.iter().filter(|delivery| is_named(delivery)).count();
        if count == 0 || count == self.deliveries.len() {
            return self.halves();
        }
        let Self { deliveries, looked_at, is_spot, history, .. } = self;
        let (named, others): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(is_named);
        [named, others].map(|deliveries| Self {
            deliveries,
            looked_at,
            permit: None,
            is_spot,
            history,
        })
    }
}
