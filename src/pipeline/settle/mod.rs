//! Where every task brings what it has done with: the decision is logged, and the message goes
//! on to be settled.

pub mod settler;
pub mod decision_log;
pub mod counts;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::event::{Dismissal, StateChange};
use crate::domain::outcome::Outcome;
use crate::domain::policy::Decision;
use crate::inflight::dedup::Claim;
use crate::inflight::lease::Lease;
use crate::pipeline::delivery::{Arrival, Delivery};
use crate::pipeline::settle::counts::Tally;
use crate::pipeline::settle::decision_log::Entry;
use crate::retry::backoff::{Jitter, short_return};
use crate::retry::breaker::Ended;
use crate::telemetry::metrics::Metrics;

/// A message that left the line, and what is to become of it.
#[derive(Debug)]
pub struct Settlement {
    /// The right to settle it.
    pub lease: Lease,
    /// Ends when the message is settled, so that a duplicate is not read as new before.
    pub claim: Option<Claim>,
    /// What is to become of it.
    pub disposition: Disposition,
}

/// What is to become of a message. One that is left alone is not settled at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Its outcome is complete.
    Delete,
    /// It becomes visible again, at once if the time is zero.
    Return { after: Duration },
}

/// Where every task brings what it has done with.
#[derive(Debug)]
pub struct Settlements {
    deletions: UnboundedSender<Settlement>,
    returns: UnboundedSender<Settlement>,
    counts: Arc<Tally>,
    jitter: Arc<Jitter>,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
}

impl Settlements {
    /// A desk whose settlements go down these lines.
    pub fn new(
        deletions: UnboundedSender<Settlement>,
        returns: UnboundedSender<Settlement>,
        counts: Arc<Tally>,
        jitter: Arc<Jitter>,
        metrics: Arc<Metrics>,
        drain: CancellationToken,
    ) -> Self {
        Self { deletions, returns, counts, jitter, metrics, drain }
    }

    /// Deletes a message whose outcome is complete.
    pub fn conclude(&self, delivery: Delivery, outcome: Outcome) {
        let decision =
            if outcome == Outcome::Exempt { Decision::Allow } else { Decision::Violation };
        Entry::of(&delivery).decided(decision).inform(outcome, "settled the message");
        self.metrics.ended(outcome, delivery.arrival.age());
        self.delete(delivery.lease, Some(delivery.claim));
    }

    /// Deletes a message that is not for this daemon.
    pub fn ignore(&self, lease: Lease, arrival: &Arrival, dismissal: &Dismissal) {
        let entry = Entry::new(arrival, dismissal.about.as_ref()).because(dismissal.reason);
        entry.inform(Outcome::Ignored, "deleted a message that is not for this daemon");
        self.metrics.ended(Outcome::Ignored, arrival.age());
        self.delete(lease, None);
    }

    /// Leaves a rejected message to SQS, invisible until `until`.
    pub fn reject(&self, lease: Lease, arrival: &Arrival, dismissal: &Dismissal, until: Instant) {
        let entry = Entry::new(arrival, dismissal.about.as_ref()).because(dismissal.reason);
        entry.warn("rejected", "rejected the message; left it to the queue's redrive policy");
        self.metrics.dismissed("rejected");
        lease.end();
        self.counts.rejected_until(until);
    }

    /// Deletes a message whose event was announced before.
    pub fn discard_repeat(&self, lease: Lease, arrival: &Arrival, change: &StateChange) {
        let entry = Entry::new(arrival, Some(change)).decided(Decision::Violation);
        entry.inform("announced before", "deleted a repeat of an event that was announced");
        self.metrics.dismissed("announced before");
        self.delete(lease, None);
    }

    /// Returns a message while another one of the same event is being worked on: that can take as
    /// long as an outage, and the redrive policy counts receives.
    pub fn return_duplicate(&self, lease: Lease, arrival: &Arrival, change: &StateChange) {
        let after = short_return(lease.receives());
        let entry = Entry::new(arrival, Some(change)).away_for(after);
        entry.inform("duplicate", "another message of this event is being worked on");
        self.return_lease(lease, after);
    }

    /// Returns a message for `after`, or by its receive count.
    pub fn give_back(&self, delivery: Delivery, why: &'static str, after: Option<Duration>) {
        let after = after.unwrap_or_else(|| self.jitter.return_delay(delivery.lease.receives()));
        let entry = Entry::of(&delivery).because(why).away_for(after);
        entry.warn("returned", "the message will come back");
        self.send(delivery.lease, Some(delivery.claim), Disposition::Return { after });
    }

    /// Ends a series of attempts for a delivery that had no success.
    pub fn end(&self, delivery: Delivery, ended: Ended, why: &'static str) {
        match ended {
            Ended::Return => self.give_back(delivery, why, None),
            Ended::HandBack => self.hand_back(delivery),
        }
    }

    /// Hands a message back, visible at once.
    pub fn hand_back(&self, delivery: Delivery) {
        Entry::of(&delivery).inform("handed back", "the daemon drains; another one may take over");
        let after = Duration::ZERO;
        self.send(delivery.lease, Some(delivery.claim), Disposition::Return { after });
    }

    /// Returns a lease that has no state change, such as one that a panic dropped.
    pub fn return_lease(&self, lease: Lease, after: Duration) {
        self.send(lease, None, Disposition::Return { after });
    }

    /// Returns a lease that was dropped unsettled, by its receive count.
    pub fn reclaim(&self, lease: Lease) {
        let after = self.jitter.return_delay(lease.receives());
        self.return_lease(lease, after);
    }

    fn delete(&self, lease: Lease, claim: Option<Claim>) {
        self.send(lease, claim, Disposition::Delete);
    }

    /// During the drain nothing is returned for later: its back-off would outlive this process.
    fn send(&self, lease: Lease, claim: Option<Claim>, mut disposition: Disposition) {
        if disposition != Disposition::Delete && self.drain.is_cancelled() {
            disposition = Disposition::Return { after: Duration::ZERO };
        }
        let line = match disposition {
            Disposition::Delete => &self.deletions,
            Disposition::Return { .. } => &self.returns,
        };
        // A closed line drops the lease, and the end of the drain hands the message back.
        drop(line.send(Settlement { lease, claim, disposition }));
    }
}
