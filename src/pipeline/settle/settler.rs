//! The settlers: delete messages from the queue, or make them visible again, ten in a call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tracing::warn;

use super::counts::Counts;
use super::hold::Hold;
use super::record::{Disposition, Record};
use super::{Settlement, Settlements, audit_line, decision_log};
use crate::aws::entries::Entries;
use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::aws::sqs::{BATCH_LIMIT, Queue, Receipt};
use crate::inflight::dedup::Claim;
use crate::inflight::lease::Lease;
use crate::inflight::message::HeldMessage;
use crate::inflight::plans::{Plans, Waiting};
use crate::pipeline::audit::{Audit, Unwritten};
use crate::pipeline::budget::Budget;
use crate::pipeline::context::Context;
use crate::retry::delays;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::liveness;

/// What the settler tasks share.
#[derive(Debug)]
pub(crate) struct Settler {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// The queue that the messages came from.
    pub(crate) queue: Queue,
    /// Remembers the messages that are hidden because stops are held.
    pub(crate) budget: Arc<Budget>,
    /// Counts each message when SQS has accepted how it is settled.
    pub(crate) counts: Arc<Counts>,
    /// The audit trail, which has the line of a message before SQS deletes or hides it.
    pub(crate) audit: Audit,
    /// Remembers which messages wait for planned stops.
    pub(crate) plans: Arc<Plans>,
}

impl Settler {
    /// Settles messages until the channel is closed and empty. Each settler makes calls of one
    /// operation only: messages that cannot be made visible must not keep others from being
    /// deleted.
    pub(crate) async fn run(
        self: Arc<Self>,
        operation: Operation,
        settlements: BatchReceiver<Settlement>,
    ) {
        loop {
            let batch = settlements.take(BATCH_LIMIT).await;
            if batch.is_empty() {
                return;
            }
            let (messages, began) = (batch.len(), Instant::now());
            self.settle(&operation, batch).await;
            self.context.metrics.measure_batch("settler", messages, began.elapsed());
        }
    }

    /// Settles messages, and those that joined them: tries again until SQS has accepted every one,
    /// or until the drain begins while SQS keeps failing.
    async fn settle(&self, operation: &Operation, mut pending: Vec<Settlement>) {
        let mut attempts = self.context.breakers.persist(operation.clone());
        while !pending.is_empty() {
            if self.lines_written(&pending).await.is_err() {
                return leave_to_last_round(pending);
            }
            let Ok(attempt) = attempts.ready().await else { return leave_to_last_round(pending) };
            let mut batch = pending;
            pending = batch.split_off(batch.len().min(BATCH_LIMIT));
            let answer = self.attempt(operation, batch).await;
            match &answer.error {
                None => attempt.succeeded(),
                Some(error) => {
                    let messages = answer.left.len();
                    warn!(%error, messages, operation = operation.name(), "cannot settle messages");
                    if answer.some_settled {
                        attempt.failed_in_part(error);
                    } else {
                        attempt.failed(error);
                    }
                }
            }
            pending.extend(answer.left);
        }
    }

    /// Waits until the audit trail has the lines of these messages.
    async fn lines_written(&self, settlements: &[Settlement]) -> Result<(), Unwritten> {
        let last = settlements.iter().filter_map(|settlement| settlement.line).max();
        liveness::idle();
        self.audit.written(last, &self.context.drain).await
    }

    /// Makes one call for a batch, and ends the leases of the messages that it settled.
    async fn attempt(&self, operation: &Operation, mut batch: Vec<Settlement>) -> Answer {
        match self.call(operation, &mut batch).await {
            Ok(results) => self.partition(batch, results),
            Err(error) => {
                resume_renewals(&batch);
                Answer { left: batch, some_settled: false, error: Some(error) }
            }
        }
    }

    /// Ends the renewals of a batch, and makes the call with its newest receipts.
    async fn call(
        &self,
        operation: &Operation,
        batch: &mut [Settlement],
    ) -> Result<Entries, AwsError> {
        if *operation == Operation::Delete {
            return self.queue.delete(&newest_receipts(batch).await).await;
        }
        let mut receipts = newest_receipts(batch).await;
        while self.must_wait_for_polls() {
            resume_renewals(batch);
            liveness::idle();
            self.context.polling_ended.cancelled().await;
            receipts = newest_receipts(batch).await;
        }
        if self.context.drain.is_cancelled() {
            hand_back(batch);
        }
        let entries: Vec<_> =
            receipts.into_iter().zip(batch.iter().map(Settlement::hidden_for)).collect();
        self.queue.change_visibility(&entries).await
    }

    /// Whether nothing can be handed back yet: a poll of this process that is still in flight would
    /// receive the message, and each receive counts towards the queue's `maxReceiveCount`.
    fn must_wait_for_polls(&self) -> bool {
        let Context { drain, polling_ended, .. } = &*self.context;
        drain.is_cancelled() && !polling_ended.is_cancelled()
    }

    /// Ends the leases of the messages that are settled or lost, and keeps the others for the next
    /// attempt.
    fn partition(&self, batch: Vec<Settlement>, results: Entries) -> Answer {
        let mut answer = Answer { left: Vec::new(), some_settled: false, error: None };
        for (settlement, result) in batch.into_iter().zip(results) {
            answer.some_settled |= result.is_ok();
            match result {
                Err(error) if error.class != Class::LeaseLost => {
                    answer.keep(settlement);
                    answer.error = Some(error);
                }
                // SQS's answer is about the older receipt, and the message is still in the queue.
                _ if settlement.hold.was_redelivered() => answer.keep(settlement),
                Ok(()) => {
                    self.counts.settled(settlement.record.disposition);
                    self.remember_waiting(&settlement);
                    self.remember_on_hold(&settlement);
                    answer.left.extend(self.end(settlement));
                }
                Err(error) => {
                    warn!(%error, "lost the lease before settling; the message will be received again");
                    answer.left.extend(self.end(settlement));
                }
            }
        }
        answer
    }

    /// Remembers which message waits for a planned stop, so that it can be deleted if the stop is
    /// called off.
    fn remember_waiting(&self, Settlement { hold, record, planned, .. }: &Settlement) {
        if let (Some(event), Some(arrival), Some(receipt)) =
            (&record.about, planned, hold.receipt())
        {
            self.plans.waits(&event.key, Waiting { receipt, arrival: arrival.clone() });
        }
    }

    /// Remembers which message is hidden because stops are held, so that it can be made visible when
    /// they go on.
    fn remember_on_hold(&self, Settlement { hold, record, .. }: &Settlement) {
        if let (Disposition::Hold { until }, Some(event)) = (record.disposition, &record.about) {
            self.budget.hid(&event.key, hold.receipt(), until);
        }
    }

    /// Ends the lease of a settled message and the claim of its event. Returns the messages that
    /// had joined it, to be settled in the same way; none can join any more.
    fn end(&self, settlement: Settlement) -> Vec<Settlement> {
        let Settlement { hold, claim, record, .. } = settlement;
        hold.end();
        let joined = claim.map(Claim::end).unwrap_or_default();
        joined.into_iter().map(|message| self.record_joined(message, &record)).collect()
    }

    /// Writes the decision line of a message that joined the one of `record`, and counts it.
    fn record_joined(&self, message: HeldMessage, record: &Record) -> Settlement {
        let record = record.of_joined();
        let line = audit_line::add(&self.audit, &message.arrival, &record, &self.plans);
        decision_log::write(&message.arrival, &record);
        self.counts.ended(&message.arrival, &record);
        Settlement::unclaimed(Hold::Leased(message.lease), record, line)
    }
}

/// The results of one call to SQS.
struct Answer {
    /// The messages that are left to settle: those that failed, those that were received again
    /// meanwhile, and those that had joined a settled one.
    left: Vec<Settlement>,
    /// Whether SQS accepted at least one message.
    some_settled: bool,
    /// Why the call failed as a whole, or for one of its messages.
    error: Option<AwsError>,
}

impl Answer {
    /// Keeps a message that is to be settled again; its lease is renewed until then.
    fn keep(&mut self, settlement: Settlement) {
        settlement.hold.resume_renewals();
        self.left.push(settlement);
    }
}

impl Settlement {
    /// How long the message is to stay invisible.
    fn hidden_for(&self) -> Duration {
        match self.record.disposition {
            Disposition::Retry { after } => after,
            Disposition::Hide { until } | Disposition::Hold { until } => {
                until.saturating_duration_since(Instant::now())
            }
            _ => Duration::ZERO,
        }
    }
}

/// Ends the renewals of a batch, and returns its newest receipts.
async fn newest_receipts(batch: &[Settlement]) -> Vec<Receipt> {
    let deadline = Instant::now() + delays::RENEWAL_PATIENCE;
    for settlement in batch {
        settlement.hold.begin_settling(deadline).await;
    }
    // The receipts are read only now: while the renewal of one message was waited for, another one
    // may have been received again, with a newer receipt.
    let mut receipts = Vec::with_capacity(batch.len());
    for settlement in batch {
        receipts.push(settlement.hold.begin_settling(deadline).await);
    }
    receipts
}

fn resume_renewals(batch: &[Settlement]) {
    for settlement in batch {
        settlement.hold.resume_renewals();
    }
}

/// Turns retries into hand-backs, because the drain has begun: their delay would outlive this
/// process. What waits for a planned stop or is on hold goes on waiting.
fn hand_back(batch: &mut [Settlement]) {
    for settlement in batch {
        if let Disposition::Retry { .. } = settlement.record.disposition {
            settlement.record.disposition = Disposition::HandBack;
        }
    }
}

fn leave_to_last_round(settlements: Vec<Settlement>) {
    for settlement in settlements {
        settlement.hold.leave_to_last_round();
    }
}

/// Retries the messages that were dropped unsettled, such as by a panic.
pub(crate) async fn reclaim(mut dropped: UnboundedReceiver<Lease>, settlements: Arc<Settlements>) {
    loop {
        liveness::idle();
        let Some(lease) = dropped.recv().await else { return };
        warn!(receives = lease.receives(), "a message was dropped unsettled; retrying it");
        settlements.reclaim(lease);
    }
}
