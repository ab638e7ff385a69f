//! The only way out for a message: every stage says here how a message ended, and a settler tells
//! SQS.
//!
//! What is known of the end is written into one [`Record`], from which the decision line, the counts
//! and the metrics are made.

pub(crate) mod counts;
mod decision_log;
mod record;
pub(crate) mod settler;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::event::StateChange;
use crate::domain::outcome::Outcome;
use crate::domain::policy::Decision;
use crate::inflight::dedup::Claim;
use crate::inflight::lease::Lease;
use crate::inflight::message::HeldMessage;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::retry::attempts::GaveUp;
use crate::retry::backoff::Jitter;

use counts::Counts;
use record::{Disposition, Record};

/// A message on its way to a settler.
#[derive(Debug)]
pub(crate) struct Settlement {
    lease: Lease,
    /// Held until the message is settled, so that no other message of its event is taken for new.
    claim: Option<Claim>,
    record: Record,
}

/// A message that a stage has finished with, and what is known of it.
#[derive(Debug)]
pub(crate) struct Finished {
    message: HeldMessage,
    claim: Option<Claim>,
    about: Option<StateChange>,
    decision: Option<Decision>,
    reason: Option<&'static str>,
}

/// Where every stage says how a message ended. When it is dropped, the channels to the settlers
/// close.
#[derive(Debug)]
pub(crate) struct Settlements {
    /// Deletions and changes of visibility have a channel each: messages that cannot be given back
    /// must not keep others from being deleted.
    deletions: UnboundedSender<Settlement>,
    visibility_changes: UnboundedSender<Settlement>,
    counts: Arc<Counts>,
    jitter: Arc<Jitter>,
    drain: CancellationToken,
}

/// The settlers' ends of the channels.
#[derive(Debug)]
pub(crate) struct ToSettle {
    /// What is to be deleted.
    pub(crate) deletions: UnboundedReceiver<Settlement>,
    /// What is to become visible again.
    pub(crate) visibility_changes: UnboundedReceiver<Settlement>,
}

impl Settlements {
    /// Opens the channels to the settlers.
    pub(crate) fn open(context: &Context, counts: &Arc<Counts>) -> (Self, ToSettle) {
        let (deletions, to_delete) = unbounded_channel();
        let (visibility_changes, to_change) = unbounded_channel();
        let settlements = Self {
            deletions,
            visibility_changes,
            counts: Arc::clone(counts),
            jitter: Arc::clone(&context.jitter),
            drain: context.drain.clone(),
        };
        (settlements, ToSettle { deletions: to_delete, visibility_changes: to_change })
    }

    /// Deletes a message whose outcome is complete.
    pub(crate) fn delete(&self, finished: impl Into<Finished>, outcome: Outcome) {
        self.settle(finished.into(), Some(outcome), Disposition::Delete);
    }

    /// Makes a message visible again after a while, to be tried once more; `reason` is a word for
    /// the log.
    pub(crate) fn retry(
        &self,
        finished: impl Into<Finished>,
        reason: &'static str,
        after: Duration,
    ) {
        self.settle(finished.into().because(reason), None, Disposition::Retry { after });
    }

    /// Makes a message visible at once, for another process.
    pub(crate) fn hand_back(&self, finished: impl Into<Finished>) {
        self.settle(finished.into(), None, Disposition::HandBack);
    }

    /// Leaves a rejected message to SQS; it is invisible until then.
    pub(crate) fn leave(&self, finished: impl Into<Finished>, until: Instant) {
        self.settle(finished.into(), Some(Outcome::Rejected), Disposition::Leave { until });
    }

    /// Retries or hands back a message whose attempts ended without success.
    pub(crate) fn give_up(&self, delivery: Delivery, why: GaveUp, reason: &'static str) {
        match why {
            GaveUp::Retry => {
                let after = self.jitter.retry_delay(delivery.receives());
                self.retry(delivery, reason, after);
            }
            GaveUp::HandBack => self.hand_back(delivery),
        }
    }

    /// Retries a message that was dropped unsettled, such as by a panic. Only its lease is left.
    fn reclaim(&self, lease: Lease) {
        let after = self.jitter.retry_delay(lease.receives());
        let record = Record::unknown(self.unless_draining(Disposition::Retry { after }));
        self.send(Settlement { lease, claim: None, record });
    }

    fn settle(&self, finished: Finished, outcome: Option<Outcome>, disposition: Disposition) {
        let Finished { message, claim, about, decision, reason } = finished;
        let disposition = self.unless_draining(disposition);
        let record = Record { about, decision, outcome, reason, disposition };
        decision_log::write(&message.arrival, &record);
        self.counts.ended(&message.arrival, &record);
        self.send(Settlement { lease: message.lease, claim, record });
    }

    /// During the drain nothing is retried later: the delay would outlive this process.
    fn unless_draining(&self, disposition: Disposition) -> Disposition {
        match disposition {
            Disposition::Retry { .. } if self.drain.is_cancelled() => Disposition::HandBack,
            other => other,
        }
    }

    fn send(&self, settlement: Settlement) {
        let channel = match settlement.record.disposition {
            Disposition::Delete => &self.deletions,
            Disposition::Retry { .. } | Disposition::HandBack => &self.visibility_changes,
            Disposition::Leave { .. } => {
                self.counts.settled(settlement.record.disposition);
                return settlement.lease.end();
            }
        };
        // A closed channel drops the lease, and the end of the drain hands the message back.
        drop(channel.send(settlement));
    }
}

impl Finished {
    /// A message that no claim was made for, because its body says that nothing is to be done.
    pub(crate) fn unclaimed(message: HeldMessage, about: Option<StateChange>) -> Self {
        Self { message, claim: None, about, decision: None, reason: None }
    }

    /// Adds the reason, as a word for the log.
    pub(crate) fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Adds what the policy said of the event's instance.
    pub(crate) fn decided(self, decision: Decision) -> Self {
        Self { decision: Some(decision), ..self }
    }
}

impl From<Delivery> for Finished {
    fn from(delivery: Delivery) -> Self {
        let Delivery { change, message, claim, decision } = delivery;
        Self { message, claim: Some(claim), about: Some(change), decision, reason: None }
    }
}
