//! Renews leases at half their time, in tens.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::Leases;
use super::table::{Entry, State};
use crate::alive;
use crate::aws::error::{Class, Failure};
use crate::aws::sqs::{BATCH_LIMIT, Queue, Receipt};

/// SQS hides a message for at most 12 h from its receipt; the margin covers the call itself.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60 - 10);
/// Renewals never come more often than this.
const ROUND: Duration = Duration::from_secs(1);
/// How often a renewal is tried that comes too late anyway.
const LATE: Duration = Duration::from_secs(10);

impl Leases {
    /// Renews what is due, round by round, for ever.
    pub async fn renew(&self, queue: &Queue) {
        loop {
            let until_due = self.until_due();
            alive::within(until_due);
            tokio::time::sleep(until_due).await;
            let due = self.due();
            for entries in due.chunks(BATCH_LIMIT) {
                self.renew_batch(queue, entries).await;
            }
        }
    }

    fn until_due(&self) -> Duration {
        let table = self.table();
        let held = table.entries.values().filter(|entry| entry.state == State::Held);
        let due = held.map(|entry| entry.renew_at).min();
        due.map_or(ROUND, |at| at.saturating_duration_since(Instant::now())).max(ROUND)
    }

    fn due(&self) -> Vec<(u64, Receipt, Duration)> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (number, entry) in &mut self.table().entries {
            if entry.state != State::Held || entry.renew_at > now {
                continue;
            }
            let left = LONGEST.saturating_sub(entry.since.elapsed());
            if left < ROUND {
                entry.state = State::Lost;
                continue;
            }
            entry.state = State::Renewing;
            due.push((*number, entry.receipt.clone(), self.visibility.min(left)));
        }
        due
    }

    async fn renew_batch(&self, queue: &Queue, due: &[(u64, Receipt, Duration)]) {
        let _ended = EndOfRenewal { leases: self, due };
        let started = Instant::now();
        let times: Vec<_> = due.iter().map(|(_, receipt, time)| (receipt.clone(), *time)).collect();
        match queue.hide(&times).await {
            Err(failure) => {
                warn!(error = %failure, messages = due.len(), "cannot renew leases");
                self.put_off(due);
            }
            Ok(results) => {
                for ((number, receipt, _), result) in due.iter().zip(results) {
                    self.renewed(*number, receipt, started, result);
                }
            }
        }
    }

    fn put_off(&self, due: &[(u64, Receipt, Duration)]) {
        let mut table = self.table();
        for (number, ..) in due {
            if let Some(entry) = table.entries.get_mut(number) {
                entry.put_off();
            }
        }
    }

    fn renewed(&self, number: u64, receipt: &Receipt, at: Instant, result: Result<(), Failure>) {
        let mut table = self.table();
        let Some(entry) = table.entries.get_mut(&number) else { return };
        match result {
            Ok(()) => {
                entry.renew_at = at + self.visibility / 2;
                entry.expires = at + self.visibility;
                debug!(message.id = entry.message_id, "renewed the lease");
            }
            Err(failure) if failure.class == Class::LeaseLost && entry.receipt == *receipt => {
                entry.state = State::Lost;
                warn!(message.id = entry.message_id, error = %failure, "lost the lease");
            }
            Err(failure) => {
                warn!(message.id = entry.message_id, error = %failure, "cannot renew the lease");
                entry.put_off();
            }
        }
    }
}

/// Ends the renewal of a batch however it went, so that nobody waits for it for ever.
struct EndOfRenewal<'renewal> {
    leases: &'renewal Leases,
    due: &'renewal [(u64, Receipt, Duration)],
}

impl Drop for EndOfRenewal<'_> {
    fn drop(&mut self) {
        let mut table = self.leases.table();
        for (number, ..) in self.due {
            if let Some(entry) = table.entries.get_mut(number)
                && entry.state == State::Renewing
            {
                entry.state = State::Held;
            }
        }
        drop(table);
        self.leases.renewed.notify_waiters();
    }
}

impl Entry {
    /// Tries again at half of what is left, so that an outage does not meet a storm of renewals.
    fn put_off(&mut self) {
        let now = Instant::now();
        let left = self.expires.saturating_duration_since(now);
        self.renew_at = now + if left.is_zero() { LATE } else { (left / 2).max(ROUND) };
    }
}
