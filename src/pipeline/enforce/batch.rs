//! A batch to stop: deliveries that share a StopInstances call, and what is known of them.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::aws::deadline::Deadline;
use crate::domain::ids::InstanceId;
use crate::domain::policy::reads::Reads;
use crate::pipeline::delivery::{self, Delivery};
use crate::rate_limit::Permit;
use crate::retry::delays;
use crate::runtime::clock::Moment;

/// Deliveries that share a StopInstances call.
#[derive(Debug)]
pub(crate) struct StopBatch {
    /// The deliveries; several may be about one instance.
    pub(crate) deliveries: Vec<Delivery>,
    /// When the last look at their instances began, which showed no exception tag; `None` if they
    /// must be looked at before the stop.
    pub(crate) looked_at: Option<Moment>,
    /// The rate limit's permit for the next stop; `None` if the batch must wait for one.
    pub(crate) permit: Option<Permit>,
    /// What the last look showed of all of them.
    pub(crate) kind: Kind,
    /// Before this moment it is neither looked at nor stopped.
    pub(crate) not_before: Option<Instant>,
    /// The results of earlier attempts to stop the batch.
    pub(crate) history: History,
}

/// What the last look showed of the instances of a batch. Each kind is stopped in calls of its own,
/// since EC2 may refuse a whole call for one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// They run, and are no spot instances; or they have not been looked at.
    #[default]
    OnDemand,
    /// They run, and are spot instances: EC2 can stop none that belongs to a one-time request.
    Spot,
    /// They are stopped, or else the look was out of date. EC2's answer to the stop tells.
    SeenStopped,
}

/// The results of earlier attempts to stop a batch, or batches that it was part of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    /// When the stop was first parked because IAM denied it; `None` if it never was.
    pub(crate) denied_since: Option<Instant>,
    /// Whether a look has shown that they are to be stopped.
    pub(crate) was_judged: bool,
    /// Whether IAM denied the stop.
    pub(crate) was_denied: bool,
    /// Whether EC2 refused the stop because of the instance's state.
    pub(crate) was_in_wrong_state: bool,
}

impl StopBatch {
    /// A batch whose instances must be looked at before the stop.
    pub(crate) fn unseen(deliveries: Vec<Delivery>, history: History) -> Self {
        Self {
            deliveries,
            looked_at: None,
            permit: None,
            kind: Kind::default(),
            not_before: None,
            history,
        }
    }

    /// A batch of deliveries whose stop has not been tried.
    pub(crate) fn new(deliveries: Vec<Delivery>) -> Self {
        Self::unseen(deliveries, History::default())
    }

    /// The same batch, whose instances must be looked at again before the stop.
    pub(crate) fn look_again(self) -> Self {
        Self::unseen(self.deliveries, self.history)
    }

    /// The same batch; remembers that a stop of its instances was sent that EC2 has not answered.
    pub(crate) fn was_sent(self) -> Self {
        self.deliveries.iter().for_each(|delivery| delivery.claim.remember_sent_stop());
        self
    }

    /// The same batch, whose instances must be looked at again before the stop, but not before EC2
    /// shows the tags that its IAM may have seen.
    pub(crate) fn look_again_when_tags_show(self) -> Self {
        Self { not_before: Some(Instant::now() + delays::TAGS_SHOW), ..self.look_again() }
    }

    /// Whether the moment is still to come before which it is neither looked at nor stopped.
    pub(crate) fn must_wait(&self) -> bool {
        self.not_before.is_some_and(|at| Instant::now() < at)
    }

    /// The batch as a list, which is empty if the batch has no deliveries.
    pub(crate) fn unless_empty(self) -> Vec<Self> {
        if self.deliveries.is_empty() { Vec::new() } else { vec![self] }
    }

    /// The instances of the batch, each once.
    pub(crate) fn ids(&self) -> BTreeSet<InstanceId> {
        delivery::instances(&self.deliveries)
    }

    /// Whether the first look at an instance of the batch is so old that its tags may have changed,
    /// or does not show all that is to be read.
    pub(crate) fn has_outdated_tags(&self, reads: &Reads) -> bool {
        let mut looks = self.deliveries.iter().map(|delivery| &delivery.first_look);
        looks.any(|look| look.at.elapsed() >= delays::TAGS_OUTDATED || !look.shows_all_of(reads))
    }

    /// Whether all deliveries of the batch are about the same instance.
    pub(crate) fn is_single(&self) -> bool {
        self.ids().len() == 1
    }

    /// Whether the last look is recent enough for a stop: at most 5 s old.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh_until().is_some_and(|deadline| !deadline.has_passed())
    }

    /// Until when the last look is recent enough for a stop; `None` without a look.
    pub(crate) fn fresh_until(&self) -> Option<Deadline> {
        self.looked_at.map(|since| Deadline { since, limit: delays::LOOK_FRESHNESS })
    }

    /// Splits off the deliveries of all but the first `most` instances. Both parts keep the look.
    pub(crate) fn split_off(&mut self, most: usize) -> Option<Self> {
        let first_of_rest = self.ids().into_iter().nth(most)?;
        let deliveries = std::mem::take(&mut self.deliveries);
        let (kept, rest) =
            deliveries.into_iter().partition(|delivery| *delivery.instance() < first_of_rest);
        self.deliveries = kept;
        let Self { looked_at, kind, history, .. } = *self;
        Some(Self { looked_at, kind, ..Self::unseen(rest, history) })
    }

    /// Splits the batch into the deliveries that `belongs` names, which keep the permit, and the
    /// others. Both parts keep the look.
    pub(crate) fn partition(self, belongs: impl Fn(&Delivery) -> bool) -> [Self; 2] {
        let Self { deliveries, looked_at, permit, kind, history, .. } = self;
        let (ours, others): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(belongs);
        let part = |deliveries| Self { looked_at, kind, ..Self::unseen(deliveries, history) };
        [Self { permit, ..part(ours) }, part(others)]
    }

    /// Splits the batch into two halves with different instances, which must be looked at again.
    pub(crate) fn halves(self) -> [Self; 2] {
        delivery::halves(self.deliveries).map(|half| Self::unseen(half, self.history))
    }

    /// Splits off the deliveries whose instance an error message names; both parts keep the look.
    /// Where it names none or all of the instances, splits the batch into halves.
    pub(crate) fn split_by_name(self, error_message: &str) -> [Self; 2] {
        let is_named = |delivery: &Delivery| error_message.contains(delivery.instance().as_str());
        let count = self.deliveries.iter().filter(|delivery| is_named(delivery)).count();
        if count == 0 || count == self.deliveries.len() {
            return self.halves();
        }
        let Self { deliveries, looked_at, kind, history, .. } = self;
        let (named, others): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(is_named);
        [named, others].map(|part| Self { looked_at, kind, ..Self::unseen(part, history) })
    }
}
