//! Settles messages: deletes them, makes them visible again, or leaves them to the queue's redrive
//! policy. No message leaves the pipeline in another way.
//!
//! - here: [`Settlements`], by which each stage says what is to become of a message;
//! - [`hold`]: what a message is settled by;
//! - [`record`]: how a message ended, from which the decision line, the counts, the metrics and the
//!   line of the audit trail are made;
//! - [`decision_log`]: the decision line;
//! - [`unclear_dates`]: says which exemptions have a date that cannot be read;
//! - [`audit_line`]: the line of the audit trail;
//! - [`counts`]: how many messages were deleted, retried, and so on;
//! - [`settler`]: the tasks that make the calls to SQS.

mod audit_line;
pub(crate) mod counts;
mod decision_log;
mod hold;
mod record;
mod unclear_dates;
pub(crate) mod settler;

use std::sync::Arc;
use std::time::Duration;

use time::UtcDateTime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aws::sns::MessageId;
use crate::domain::event::Event;
use crate::domain::outcome::Outcome;
use crate::domain::policy::decision::Decision;
use crate::inflight::dedup::Claim;
use crate::inflight::lease::Lease;
use crate::inflight::message::{Arrival, HeldMessage};
use crate::inflight::plans::{Plans, Waiting};
use crate::pipeline::audit::{Audit, LineNumber};
use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::origin::Origin;
use crate::pipeline::untold::Untold;
use crate::retry::attempts::GaveUp;
use crate::retry::backoff::Jitter;

use counts::Counts;
use hold::Hold;
use record::{Disposition, Evidence, Record};
use unclear_dates::UnclearDates;

/// The word for the log field `reason` of messages that are hidden because stops are held.
const ON_HOLD: &str = "stops_held";

/// A message on its way to a settler.
#[derive(Debug)]
pub(crate) struct Settlement {
    hold: Hold,
    /// Held until the message is settled, so that another message of its event joins it. `None` for
    /// a message without a claim, such as one that joined.
    claim: Option<Claim>,
    record: Record,
    /// When the message arrived, if it is hidden until a planned stop.
    planned: Option<Arrival>,
    /// The line of the audit trail that must be written before.
    line: Option<LineNumber>,
}

/// A message, or an instance that a sweep found, with which a stage has finished, and what the
/// decision line says about it.
#[derive(Debug)]
pub(crate) struct Finished {
    origin: Origin,
    claim: Option<Claim>,
    about: Option<Event>,
    decision: Option<Arc<Decision>>,
    reason: Option<&'static str>,
    evidence: Evidence,
    untold: Option<Untold>,
}

/// The channels to the settlers. They close when this is dropped.
///
/// Each message is ended by one of `delete`, `retry`, `hide`, `wait`, `hold`, `hand_back`, `leave`
/// and `give_up`, which writes its decision line, counts it, and sends it to a settler.
#[derive(Debug)]
pub(crate) struct Settlements {
    /// Deletions and changes of visibility have a channel each: messages that cannot be made
    /// visible must not keep others from being deleted.
    deletions: UnboundedSender<Settlement>,
    visibility_changes: UnboundedSender<Settlement>,
    counts: Arc<Counts>,
    jitter: Arc<Jitter>,
    plans: Arc<Plans>,
    unclear_dates: UnclearDates,
    drain: CancellationToken,
    audit: Audit,
}

/// The settlers' ends of the channels.
#[derive(Debug)]
pub(crate) struct ToSettle {
    /// Messages that are to be deleted.
    pub(crate) deletions: UnboundedReceiver<Settlement>,
    /// Messages that are to become visible again.
    pub(crate) visibility_changes: UnboundedReceiver<Settlement>,
}

impl Settlements {
    /// Opens the channels to the settlers.
    pub(crate) fn open(
        context: &Context,
        counts: &Arc<Counts>,
        plans: &Arc<Plans>,
        audit: &Audit,
    ) -> (Self, ToSettle) {
        let (deletions, to_delete) = unbounded_channel();
        let (visibility_changes, to_change) = unbounded_channel();
        let settlements = Self {
            deletions,
            visibility_changes,
            counts: Arc::clone(counts),
            jitter: Arc::clone(&context.jitter),
            plans: Arc::clone(plans),
            unclear_dates: UnclearDates::new(&context.metrics),
            drain: context.drain.clone(),
            audit: audit.clone(),
        };
        (settlements, ToSettle { deletions: to_delete, visibility_changes: to_change })
    }

    /// The audit trail, in which every outcome has a line.
    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Deletes a message whose outcome is complete.
    pub(crate) fn delete(&self, finished: impl Into<Finished>, outcome: Outcome) {
        self.settle(finished.into(), Some(outcome), Disposition::Delete);
    }

    /// Makes a message visible again after a delay, to be received and worked on once more;
    /// `reason` is the word for the log. During the drain it is handed back.
    pub(crate) fn retry(
        &self,
        finished: impl Into<Finished>,
        reason: &'static str,
        after: Duration,
    ) {
        self.settle(finished.into().because(reason), None, Disposition::Retry { after });
    }

    /// Hides a message until the planned stop of its instance is due, or `until` if that is sooner.
    /// The drain does not shorten this.
    pub(crate) fn hide(&self, finished: impl Into<Finished>, stop: UtcDateTime, until: Instant) {
        let outcome = Outcome::Planned(stop);
        self.settle(finished.into(), Some(outcome), Disposition::Hide { until });
    }

    /// Hides a message until this moment, since stops are held. Neither a drain nor anything but the
    /// end of the hold shortens this.
    pub(crate) fn hold(&self, delivery: Delivery, until: Instant) {
        let finished = Finished::from(delivery).because(ON_HOLD);
        self.settle(finished, None, Disposition::Hold { until });
    }

    /// Makes a message visible at once, for another process.
    pub(crate) fn hand_back(&self, finished: impl Into<Finished>) {
        self.settle(finished.into(), None, Disposition::HandBack);
    }

    /// Leaves a rejected message to the queue's redrive policy. It becomes visible at `until`, when
    /// its visibility timeout ends.
    pub(crate) fn leave(&self, finished: impl Into<Finished>, until: Instant) {
        self.settle(finished.into(), Some(Outcome::Rejected), Disposition::Leave { until });
    }

    /// Leaves a message for which EC2 keeps failing to the queue's redrive policy. Its next receive
    /// moves it to the dead-letter queue.
    pub(crate) fn leave_failing(&self, finished: impl Into<Finished>, outcome: Outcome) {
        let finished = finished.into();
        let until = Instant::now() + finished.origin.visibility();
        self.settle(finished, Some(outcome), Disposition::Leave { until });
    }

    /// Hides a message until this moment, to be looked at then; `reason` is the word for the log. The
    /// drain does not shorten this.
    pub(crate) fn wait(&self, finished: impl Into<Finished>, reason: &'static str, until: Instant) {
        self.settle(finished.into().because(reason), None, Disposition::Hide { until });
    }

    /// Deletes a message by which a stop was called off, and the one that waits for that stop.
    pub(crate) fn call_off(&self, finished: Finished, outcome: Outcome, waiting: Option<Waiting>) {
        let id = &finished.origin.arrival().message_id;
        let waiting = waiting.filter(|waiting| waiting.arrival.message_id != *id);
        let record = waiting.is_some().then(|| finished.record(outcome));
        self.settle(finished, Some(outcome), Disposition::Delete);
        if let (Some(waiting), Some(record)) = (waiting, record) {
            self.delete_waiting(waiting, &record);
        }
    }

    /// Retries or hands back a message for which a call kept failing.
    pub(crate) fn give_up(&self, delivery: Delivery, why: GaveUp, reason: &'static str) {
        match why {
            GaveUp::Retry => {
                let after = self.jitter.retry_delay(delivery.receives());
                self.retry(delivery, reason, after);
            }
            GaveUp::HandBack => self.hand_back(delivery),
        }
    }

    /// Retries a message that was dropped unsettled, as by a panic. Only its lease is known, so
    /// that there is no decision line.
    fn reclaim(&self, lease: Lease) {
        let after = self.jitter.retry_delay(lease.receives());
        let record = Record::unknown(self.unless_draining(Disposition::Retry { after }));
        self.send(Settlement::unclaimed(Hold::Leased(lease), record, None));
    }

    /// Records how a message ended, and sends it to a settler.
    fn settle(&self, mut finished: Finished, outcome: Option<Outcome>, disposition: Disposition) {
        if let Some(untold) = finished.untold.take_if(|_| outcome.is_some()) {
            untold.settled();
        }
        let (origin, claim, record) = finished.ended(outcome, self.unless_draining(disposition));
        let line = audit_line::add(&self.audit, origin.arrival(), &record, &self.plans);
        decision_log::write(origin.arrival(), &record);
        self.counts.ended(origin.arrival(), &record);
        self.unclear_dates.note(&record);
        self.forget_plan(&record);
        // What a sweep found has no message: its claim ends here.
        let Origin::Message(HeldMessage { arrival, lease }) = origin else { return };
        let is_planned = matches!(outcome, Some(Outcome::Planned(_)));
        // A planned stop that is due while stops are held still waits.
        let waits = is_planned || matches!(disposition, Disposition::Hold { .. });
        let planned = waits.then_some(arrival);
        self.send(Settlement { hold: Hold::Leased(lease), claim, record, planned, line });
    }

    /// Deletes the message that waited for a stop which was called off. `record` is that of the
    /// message by which that was found out.
    fn delete_waiting(&self, Waiting { receipt, arrival }: Waiting, record: &Record) {
        let record = record.of_joined();
        let line = audit_line::add(&self.audit, &arrival, &record, &self.plans);
        decision_log::write(&arrival, &record);
        self.counts.ended(&arrival, &record);
        self.send(Settlement::unclaimed(Hold::Hidden(receipt), record, line));
    }

    /// Forgets the plan to stop an instance with which the work has ended.
    fn forget_plan(&self, Record { about, outcome, .. }: &Record) {
        if let (Some(event), Some(outcome)) = (about, outcome)
            && outcome.is_complete()
            // A change of tags while the instance is stopped ends no plan.
            && !(*outcome == Outcome::NotRunning && self.plans.has_another(&event.key))
        {
            self.plans.forget(&event.key);
        }
    }

    /// Turns a retry into a hand-back during the drain: another process can take the message at
    /// once.
    fn unless_draining(&self, disposition: Disposition) -> Disposition {
        match disposition {
            Disposition::Retry { .. } if self.drain.is_cancelled() => Disposition::HandBack,
            other => other,
        }
    }

    fn send(&self, settlement: Settlement) {
        let channel = match settlement.record.disposition {
            Disposition::Delete => &self.deletions,
            Disposition::Retry { .. }
            | Disposition::Hide { .. }
            | Disposition::Hold { .. }
            | Disposition::HandBack => &self.visibility_changes,
            Disposition::Leave { .. } => {
                self.counts.settled(settlement.record.disposition);
                return settlement.hold.end();
            }
        };
        // If the settlers have been aborted, the lease is dropped, and the last round hands the
        // message back.
        drop(channel.send(settlement));
    }
}

impl Settlement {
    /// A message without a claim.
    fn unclaimed(hold: Hold, record: Record, line: Option<LineNumber>) -> Self {
        Self { hold, claim: None, record, planned: None, line }
    }
}

impl Finished {
    /// A message for which there is no claim: it has no event to work on, or its event is
    /// announced.
    pub(crate) fn unclaimed(message: HeldMessage, about: Option<Event>) -> Self {
        let (origin, evidence) = (message.into(), Evidence::default());
        Self { origin, claim: None, about, decision: None, reason: None, evidence, untold: None }
    }

    /// Adds SNS's id of the notice that told the owner.
    pub(crate) fn told_by(mut self, notice: MessageId) -> Self {
        self.evidence.notice = Some(notice);
        self
    }

    /// The record of a message that is deleted with this outcome.
    fn record(&self, outcome: Outcome) -> Record {
        let Self { about, decision, reason, evidence, .. } = self;
        let (about, decision, evidence) = (about.clone(), decision.clone(), evidence.clone());
        let (outcome, disposition) = (Some(outcome), Disposition::Delete);
        Record { about, decision, outcome, reason: *reason, disposition, evidence }
    }

    /// The message or nomination, its claim, and the record of how it ended.
    fn ended(
        self,
        outcome: Option<Outcome>,
        disposition: Disposition,
    ) -> (Origin, Option<Claim>, Record) {
        let Self { origin, claim, about, decision, reason, evidence, .. } = self;
        (origin, claim, Record { about, decision, outcome, reason, disposition, evidence })
    }

    /// Adds the word for the log field `reason`.
    pub(crate) fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Adds what the policies said about the event's instance.
    pub(crate) fn decided(self, decision: Decision) -> Self {
        Self { decision: Some(Arc::new(decision)), ..self }
    }
}

impl From<Delivery> for Finished {
    fn from(mut delivery: Delivery) -> Self {
        let untold = delivery.take_untold();
        let Delivery { event, origin, claim, decision, first_look, second_look, .. } = delivery;
        let evidence = Evidence { first_look: Some(first_look), second_look, notice: None };
        Self {
            origin,
            claim: Some(claim),
            about: Some(event),
            decision,
            reason: None,
            evidence,
            untold,
        }
    }
}
