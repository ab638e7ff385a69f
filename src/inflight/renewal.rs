//! Renews leases at half their time, in tens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::lease::Leases;
use super::table::{Entry, State};
use crate::aws::error::{AwsError, Class};
use crate::aws::sqs::{BATCH_LIMIT, Queue, Receipt};
use crate::retry::backoff::Intervals;
use crate::retry::delays;
use crate::runtime::liveness;
use crate::telemetry::metrics::Renewal;

/// So many calls at once renew a few thousand messages within a second or two.
const CALLS_AT_ONCE: usize = 16;

impl Leases {
    /// Renews what is due, round by round, for ever.
    pub(crate) async fn renew(&self, queue: &Queue) {
        let mut back_off: Option<Intervals> = None;
        loop {
            let interval = back_off.as_mut().map_or(delays::RENEWAL_INTERVAL, Intervals::advance);
            self.rest(interval).await;
            let at_once = if back_off.is_some() { 1 } else { CALLS_AT_ONCE };
            if self.round(queue, at_once).await {
                back_off = None;
            } else {
                back_off.get_or_insert_with(|| {
                    Intervals::new(delays::RENEWAL_INTERVAL, delays::LATE_RENEWAL)
                });
            }
        }
    }

    /// Waits until something is due, and for `interval` at least.
    async fn rest(&self, interval: Duration) {
        let earliest = Instant::now() + interval;
        let mut until = earliest.max(Instant::now() + self.until_due());
        loop {
            liveness::within(until.saturating_duration_since(Instant::now()));
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => return,
                () = self.resumed.notified() => {
                    until = until.min(earliest.max(Instant::now() + self.until_due()));
                }
            }
        }
    }

    /// Renews what is due, and says whether SQS answered. Once a whole call has failed, the rest
    /// of the round would only fail as well.
    async fn round(&self, queue: &Queue, at_once: usize) -> bool {
        let (due, failed) = (self.due(), AtomicBool::new(false));
        let renew = async |numbers: &[u64]| {
            if !failed.load(Ordering::Relaxed) && !self.renew_batch(queue, numbers).await {
                failed.store(true, Ordering::Relaxed);
            }
        };
        stream::iter(due.chunks(BATCH_LIMIT)).for_each_concurrent(at_once, renew).await;
        !failed.into_inner()
    }

    fn until_due(&self) -> Duration {
        let table = self.table();
        let held = table.entries.values().filter(|entry| entry.state == State::Held);
        let due = held.map(|entry| entry.renew_at).min();
        due.map_or(delays::RENEWAL_INTERVAL, |at| at.saturating_duration_since(Instant::now()))
            .max(delays::RENEWAL_INTERVAL)
    }

    fn due(&self) -> Vec<u64> {
        let now = Instant::now();
        let table = self.table();
        let is_due = |entry: &Entry| entry.state == State::Held && entry.renew_at <= now;
        table.entries.iter().filter(|(_, entry)| is_due(entry)).map(|(number, _)| *number).collect()
    }

    /// Renews up to ten leases, and says whether SQS answered.
    async fn renew_batch(&self, queue: &Queue, numbers: &[u64]) -> bool {
        let due = self.begin(numbers);
        if due.is_empty() {
            return true;
        }
        let _ended = EndOfRenewal { leases: self, numbers };
        let started = Instant::now();
        let times: Vec<_> = due.iter().map(|(_, receipt, time)| (receipt.clone(), *time)).collect();
        let results = match queue.change_visibility(&times).await {
            Ok(results) => results,
            Err(failure) => {
                warn!(error = %failure, messages = due.len(), "cannot renew leases");
                self.metrics.renewed(Renewal::Failed, due.len());
                return false;
            }
        };
        for ((number, receipt, _), result) in due.iter().zip(results) {
            let renewal = match result {
                Ok(()) => self.renewed(*number, started),
                Err(error) => self.not_renewed(*number, receipt, &error),
            };
            if let Some(renewal) = renewal {
                self.metrics.renewed(renewal, 1);
            }
        }
        true
    }

    /// Takes those of a batch that are still held when its turn comes.
    fn begin(&self, numbers: &[u64]) -> Vec<(u64, Receipt, Duration)> {
        let mut due = Vec::with_capacity(numbers.len());
        let mut table = self.table();
        for number in numbers {
            let Some(entry) = table.entries.get_mut(number) else { continue };
            if entry.state != State::Held {
                continue;
            }
            let left = delays::LONGEST_LEASE.saturating_sub(entry.since.elapsed());
            if left < delays::RENEWAL_INTERVAL {
                entry.state = State::Lost;
                continue;
            }
            entry.state = State::Renewing;
            due.push((*number, entry.receipt.clone(), self.visibility.min(left)));
        }
        due
    }

    /// Notes that a message is hidden for a whole visibility timeout from then on; `None` if it was
    /// settled meanwhile.
    fn renewed(&self, number: u64, from: Instant) -> Option<Renewal> {
        let mut table = self.table();
        let entry = table.entries.get_mut(&number)?;
        entry.renew_at = from + self.visibility / 2;
        entry.expires = from + self.visibility;
        debug!(message.id = entry.message_id, "renewed the lease");
        Some(Renewal::Renewed)
    }

    /// Notes that a lease is lost, if that was said of its latest receipt, or is to be tried again.
    fn not_renewed(&self, number: u64, receipt: &Receipt, error: &AwsError) -> Option<Renewal> {
        let mut table = self.table();
        let entry = table.entries.get_mut(&number)?;
        if error.class == Class::LeaseLost && entry.receipt == *receipt {
            entry.state = State::Lost;
            warn!(message.id = entry.message_id, %error, "lost the lease");
            return Some(Renewal::Lost);
        }
        warn!(message.id = entry.message_id, %error, "cannot renew the lease");
        entry.put_off();
        Some(Renewal::Failed)
    }
}

/// Ends the renewal of a batch however it went, so that nobody waits for it for ever.
struct EndOfRenewal<'renewal> {
    leases: &'renewal Leases,
    numbers: &'renewal [u64],
}

impl Drop for EndOfRenewal<'_> {
    fn drop(&mut self) {
        let mut table = self.leases.table();
        for number in self.numbers {
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
    /// Tries again at half of what is left.
    fn put_off(&mut self) {
        let now = Instant::now();
        let left = self.expires.saturating_duration_since(now);
        let wait = match left {
            Duration::ZERO => delays::LATE_RENEWAL,
            left => (left / 2).max(delays::RENEWAL_INTERVAL),
        };
        self.renew_at = now + wait;
    }
}
