//! Delete and return: the only way out for a message.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::aws::Entries;
use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::aws::sqs::{BATCH_LIMIT, Queue};
use crate::inflight::lease::Lease;
use crate::pipeline::settle::counts::Tally;
use crate::pipeline::settle::{Disposition, Settlement, Settlements};
use crate::retry::breaker::Breakers;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::liveness;
use crate::telemetry::metrics::Metrics;

/// So soon comes a renewal that is due, if SQS answers at all.
const RENEWAL: Duration = Duration::from_secs(2);

/// Settles what comes down the line, in tens.
#[derive(Debug)]
pub struct Settler {
    /// The queue.
    pub queue: Queue,
    /// What is known of SQS.
    pub breakers: Arc<Breakers>,
    /// Where it is counted.
    pub counts: Arc<Tally>,
    /// Where batches are measured.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
    /// Cancelled when the last poller has ended.
    pub silence: CancellationToken,
}

impl Settler {
    /// Settles until the line is closed and empty. Deletions and returns have lines of their own:
    /// what cannot be returned must not keep anything from being deleted.
    pub async fn run(self: Arc<Self>, operation: Operation, line: BatchReceiver<Settlement>) {
        loop {
            let batch = line.take(BATCH_LIMIT).await;
            if batch.is_empty() {
                return;
            }
            let (messages, began) = (batch.len(), Instant::now());
            self.settle(operation.clone(), batch).await;
            self.metrics.worked("settler", messages, began.elapsed());
        }
    }

    async fn settle(&self, operation: Operation, mut batch: Vec<Settlement>) {
        let mut attempts = self.breakers.persist(operation.clone());
        while !batch.is_empty() {
            if attempts.turn().await.is_err() {
                return leave_to_last_round(batch);
            }
            let failure = match self.attempt(&operation, &mut batch).await {
                Ok(results) => {
                    if results.iter().any(Result::is_ok) {
                        attempts.succeeded();
                    }
                    let failure;
                    (batch, failure) = self.sort_out(batch, results);
                    failure
                }
                Err(failure) => {
                    for settlement in &batch {
                        settlement.lease.resume();
                    }
                    Some(failure)
                }
            };
            let Some(failure) = failure else {
                attempts.succeeded();
                continue;
            };
            warn!(error = %failure, messages = batch.len(), ?operation, "cannot settle messages");
            attempts.failed(&failure);
        }
    }

    async fn attempt(
        &self,
        operation: &Operation,
        batch: &mut [Settlement],
    ) -> Result<Entries, AwsError> {
        if *operation == Operation::ChangeVisibility && self.drain.is_cancelled() {
            self.until_silent().await; // The leases are renewed as yet.
        }
        let patience = Instant::now() + RENEWAL;
        for settlement in &*batch {
            settlement.lease.settling(patience).await;
        }
        // Only now: while one was waited for, another may have come again, with a newer receipt.
        let mut receipts = Vec::with_capacity(batch.len());
        for settlement in &*batch {
            receipts.push(settlement.lease.settling(patience).await);
        }
        if *operation == Operation::Delete {
            return self.queue.delete(&receipts).await;
        }
        if self.drain.is_cancelled() {
            self.hand_back(batch).await;
        }
        let entries: Vec<_> =
            receipts.into_iter().zip(batch.iter().map(Settlement::after)).collect();
        self.queue.change_visibility(&entries).await
    }

    /// What waited for the drain to begin would back off beyond this process; and what is handed
    /// back while a last call is still out would come back with it, and burn a receive each time.
    async fn hand_back(&self, batch: &mut [Settlement]) {
        self.until_silent().await;
        for settlement in batch {
            settlement.disposition = Disposition::Return { after: Duration::ZERO };
        }
    }

    async fn until_silent(&self) {
        liveness::idle();
        self.silence.cancelled().await;
    }

    /// Ends the leases of what is settled or lost; the rest comes back, with a failure among it.
    fn sort_out(
        &self,
        batch: Vec<Settlement>,
        results: Entries,
    ) -> (Vec<Settlement>, Option<AwsError>) {
        let (mut unsettled, mut failure) = (Vec::new(), None);
        for (settlement, result) in batch.into_iter().zip(results) {
            match result {
                Err(error) if error.class != Class::LeaseLost => {
                    settlement.lease.resume();
                    unsettled.push(settlement);
                    failure = Some(error);
                }
                // Whatever SQS said, it was said of the older receipt.
                _ if settlement.lease.was_overtaken() => {
                    settlement.lease.resume();
                    unsettled.push(settlement);
                }
                Ok(()) => self.settled(settlement),
                Err(lost) => {
                    warn!(error = %lost, "lost the lease before settling; the message comes again");
                    settlement.lease.end();
                }
            }
        }
        (unsettled, failure)
    }

    /// The claim ends last: a duplicate that is read from here on is no duplicate any more.
    fn settled(&self, settlement: Settlement) {
        let Settlement { lease, claim, disposition } = settlement;
        match disposition {
            Disposition::Delete => self.counts.deleted(),
            Disposition::Return { after: Duration::ZERO } => self.counts.handed_back(1),
            Disposition::Return { after } => self.counts.backs_off_until(Instant::now() + after),
        }
        lease.end();
        drop(claim);
    }
}

impl Settlement {
    fn after(&self) -> Duration {
        match self.disposition {
            Disposition::Delete => Duration::ZERO,
            Disposition::Return { after } => after,
        }
    }
}

fn leave_to_last_round(batch: Vec<Settlement>) {
    for settlement in batch {
        settlement.lease.leave_to_last_round();
    }
}

/// Sends what was dropped unsettled to settle, as returns by receive count.
pub async fn reclaim(mut abandoned: UnboundedReceiver<Lease>, settlements: Arc<Settlements>) {
    loop {
        liveness::idle();
        let Some(lease) = abandoned.recv().await else { return };
        warn!(receives = lease.receives(), "a message was dropped unsettled; returning it");
        settlements.reclaim(lease);
    }
}
