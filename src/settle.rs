//! Delete, return, leave: the only way out for a message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::alive;
use crate::aws::error::Class;
use crate::aws::sqs::{BATCH_LIMIT, Queue, Receipt};
use crate::delivery::Delivery;
use crate::lease::Lease;
use crate::line::Line;
use crate::memory::Claim;
use crate::outcome::Outcome;
use crate::pause::{Ended, Gate, Operation};
use crate::policy::Decision;
use crate::retry::Jitter;

/// A message that left the line, and what is to become of it.
#[derive(Debug)]
pub struct Settlement {
    lease: Lease,
    /// Ends when the message is settled, so that a twin is not read as new before.
    claim: Option<Claim>,
    disposition: Disposition,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    Delete,
    Return { after: Duration },
}

/// How many messages went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deleted: their outcome is complete.
    pub deleted: u64,
    /// Handed back, visible at once.
    pub handed_back: u64,
    /// Rejected, and left to SQS's redrive; still invisible.
    pub rejected: u64,
    /// Returned with a delay that has not passed yet.
    pub backing_off: u64,
}

/// Where every task brings what it has done with.
#[derive(Debug)]
pub struct Desk {
    line: UnboundedSender<Settlement>,
    tally: Arc<Tally>,
    jitter: Arc<Jitter>,
    drain: CancellationToken,
}

/// Counts since the drain began, and what is invisible without being held.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Tallied>);

#[derive(Debug, Default)]
struct Tallied {
    deleted: u64,
    handed_back: u64,
    rejected: BTreeMap<Instant, u64>,
    backing_off: BTreeMap<Instant, u64>,
}

impl Desk {
    /// A desk whose settlements go down `line`.
    pub fn new(
        line: UnboundedSender<Settlement>,
        tally: Arc<Tally>,
        jitter: Arc<Jitter>,
        drain: CancellationToken,
    ) -> Self {
        Self { line, tally, jitter, drain }
    }

    /// Deletes a message whose outcome is complete.
    pub fn conclude(&self, delivery: Delivery, outcome: Outcome) {
        let key = &delivery.change.key;
        let decision =
            if outcome == Outcome::Exempt { Decision::Allow } else { Decision::Violation };
        info!(
            message.id = delivery.message_id,
            instance.id = %key.instance,
            account = %key.account,
            region = %key.region,
            event.id = %key.event_id,
            decision = if decision == Decision::Allow { "allow" } else { "violation" },
            outcome = %outcome,
            age_ms = ms(delivery.age()),
            receives = delivery.lease.receives(),
            duration_ms = ms(delivery.received_at.elapsed()),
            "settled the message"
        );
        self.send(delivery.lease, Some(delivery.claim), Disposition::Delete);
    }

    /// Deletes a message that needs no work.
    pub fn discard(&self, lease: Lease, message_id: &str, why: &str) {
        let receives = lease.receives();
        info!(message.id = message_id, outcome = why, receives, "deleted a message without work");
        self.send(lease, None, Disposition::Delete);
    }

    /// Returns a message for `after`, or by its receive count.
    pub fn give_back(&self, delivery: Delivery, why: &str, after: Option<Duration>) {
        let after = after.unwrap_or_else(|| self.jitter.return_delay(delivery.lease.receives()));
        let key = &delivery.change.key;
        warn!(
            message.id = delivery.message_id,
            instance.id = %key.instance,
            account = %key.account,
            region = %key.region,
            event.id = %key.event_id,
            outcome = "returned",
            reason = why,
            delay_ms = ms(after),
            age_ms = ms(delivery.age()),
            receives = delivery.lease.receives(),
            duration_ms = ms(delivery.received_at.elapsed()),
            "the message will come back"
        );
        self.send(delivery.lease, Some(delivery.claim), Disposition::Return { after });
    }

    /// Ends a series of attempts for a delivery that had no success.
    pub fn end(&self, delivery: Delivery, ended: Ended, why: &str) {
        match ended {
            Ended::Return => self.give_back(delivery, why, None),
            Ended::HandBack => self.hand_back(delivery),
        }
    }

    /// Hands a message back, visible at once.
    pub fn hand_back(&self, delivery: Delivery) {
        let key = &delivery.change.key;
        info!(
            message.id = delivery.message_id,
            instance.id = %key.instance,
            account = %key.account,
            region = %key.region,
            outcome = "handed back",
            receives = delivery.lease.receives(),
            "the daemon drains; another one gets the message"
        );
        let after = Duration::ZERO;
        self.send(delivery.lease, Some(delivery.claim), Disposition::Return { after });
    }

    /// Returns a lease that has no state change, such as one that a panic dropped.
    pub fn return_lease(&self, lease: Lease, after: Duration) {
        self.send(lease, None, Disposition::Return { after });
    }

    /// Leaves a rejected message to SQS, invisible until `until`.
    pub fn leave(&self, lease: Lease, until: Instant) {
        lease.end();
        Tally::note(&mut self.tally.lock().rejected, until);
    }

    fn send(&self, lease: Lease, claim: Option<Claim>, disposition: Disposition) {
        let disposition = match disposition {
            Disposition::Return { .. } if self.drain.is_cancelled() => {
                Disposition::Return { after: Duration::ZERO }
            }
            other => other,
        };
        // A closed line drops the lease, and the end of the drain hands the message back.
        drop(self.line.send(Settlement { lease, claim, disposition }));
    }
}

impl Tally {
    /// The counts; call [`Tally::begin_drain`] first.
    pub fn counts(&self) -> Counts {
        let now = Instant::now();
        let tallied = self.lock();
        let pending = |times: &BTreeMap<Instant, u64>| times.range(now..).map(|(_, n)| n).sum();
        Counts {
            deleted: tallied.deleted,
            handed_back: tallied.handed_back,
            rejected: pending(&tallied.rejected),
            backing_off: pending(&tallied.backing_off),
        }
    }

    /// Counts deletions and hand-backs from here on.
    pub fn begin_drain(&self) {
        let mut tallied = self.lock();
        tallied.deleted = 0;
        tallied.handed_back = 0;
    }

    /// Counts messages that the last round handed back.
    pub fn handed_back(&self, count: u64) {
        self.lock().handed_back += count;
    }

    fn settled(&self, disposition: Disposition) {
        let mut tallied = self.lock();
        match disposition {
            Disposition::Delete => tallied.deleted += 1,
            Disposition::Return { after: Duration::ZERO } => tallied.handed_back += 1,
            Disposition::Return { after } => {
                Self::note(&mut tallied.backing_off, Instant::now() + after);
            }
        }
    }

    /// Counts by whole seconds from now and forgets what has passed, so that it stays small.
    fn note(times: &mut BTreeMap<Instant, u64>, until: Instant) {
        let now = Instant::now();
        *times = times.split_off(&now);
        let near = times.range(until..).next().map(|(at, _)| *at);
        let at = near.filter(|at| *at - until < Duration::from_secs(1)).unwrap_or(until);
        *times.entry(at).or_default() += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tallied> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settles what comes down the line, in tens.
#[derive(Debug)]
pub struct Settler {
    /// The queue.
    pub queue: Queue,
    /// What is known of SQS.
    pub gate: Arc<Gate>,
    /// Where it is counted.
    pub tally: Arc<Tally>,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
    /// Cancelled when the last poller has ended.
    pub silence: CancellationToken,
}

impl Settler {
    /// Settles until the line is closed and empty.
    pub async fn run(self, line: Line<Settlement>) {
        loop {
            let batch = line.take(BATCH_LIMIT).await;
            if batch.is_empty() {
                return;
            }
            let delete = |settlement: &Settlement| settlement.disposition == Disposition::Delete;
            let (deletes, returns): (Vec<_>, Vec<_>) = batch.into_iter().partition(delete);
            tokio::join!(
                self.settle(Operation::Delete, deletes),
                self.settle(Operation::Hide, returns)
            );
        }
    }

    async fn settle(&self, operation: Operation, mut batch: Vec<Settlement>) {
        if operation == Operation::Hide && !batch.is_empty() {
            self.await_silence().await;
        }
        let mut attempts = self.gate.persist(operation.clone());
        while !batch.is_empty() {
            // During the drain what cannot be settled is left to its last round.
            if attempts.turn().await.is_err() {
                for Settlement { lease, .. } in batch {
                    lease.leave_to_last_round();
                }
                return;
            }
            let mut receipts = Vec::with_capacity(batch.len());
            for settlement in &batch {
                receipts.push(settlement.lease.settling().await);
            }
            let results = match &operation {
                Operation::Delete => self.queue.delete(&receipts).await,
                _ => self.queue.hide(&with_times(&batch, receipts)).await,
            };
            let results = match results {
                Ok(results) => results,
                Err(failure) => {
                    for settlement in &batch {
                        settlement.lease.resume();
                    }
                    attempts.failed(&failure);
                    continue;
                }
            };
            let mut unsettled = Vec::new();
            let mut failure = None;
            for (settlement, result) in batch.into_iter().zip(results) {
                match result {
                    Ok(()) => self.settled(settlement),
                    Err(lost) if lost.class == Class::LeaseLost => {
                        warn!(error = %lost, "lost the lease before settling; the message comes again");
                        settlement.lease.end();
                    }
                    Err(error) => {
                        settlement.lease.resume();
                        unsettled.push(settlement);
                        failure = Some(error);
                    }
                }
            }
            batch = unsettled;
            match failure {
                Some(failure) => attempts.failed(&failure),
                None => attempts.succeeded(),
            }
        }
    }

    /// What is handed back while a last call is still out would come back with it, and burn a
    /// receive each time.
    async fn await_silence(&self) {
        if self.drain.is_cancelled() {
            alive::idle();
            self.silence.cancelled().await;
        }
    }

    fn settled(&self, settlement: Settlement) {
        let Settlement { lease, claim, disposition } = settlement;
        self.tally.settled(disposition);
        lease.end();
        drop(claim);
    }
}

fn with_times(batch: &[Settlement], receipts: Vec<Receipt>) -> Vec<(Receipt, Duration)> {
    let after = |settlement: &Settlement| match settlement.disposition {
        Disposition::Return { after } => after,
        Disposition::Delete => Duration::ZERO,
    };
    receipts.into_iter().zip(batch.iter().map(after)).collect()
}

/// Sends what was dropped unsettled to settle, as returns by receive count.
pub async fn reclaim(mut abandoned: UnboundedReceiver<Lease>, desk: Arc<Desk>) {
    while let Some(lease) = abandoned.recv().await {
        warn!(receives = lease.receives(), "a message was dropped unsettled; returning it");
        let after = desk.jitter.return_delay(lease.receives());
        desk.return_lease(lease, after);
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
