//! Renews each lease when half of its visibility timeout has passed, ten in a call.
//!
//! With a timeout of 30 s, a lease that began at 0 s is renewed at 15 s, 30 s, 45 s, and so on.
//! What happens after a failure:
//! - SQS did not answer a call, or refused all of it: the rest of the round is left out. The next
//!   rounds follow after 1 s, 2 s, 4 s and so on, up to 10 s, with one call at a time, until SQS
//!   answers.
//! - SQS refused one message in a call for a passing reason: it is tried again after half of the
//!   time that its lease still lasts. If the renewal at 15 s fails, it is tried at 22.5 s, at
//!   26.25 s, and so on, with at least 1 s in between; after the end of the lease, every 10 s.
//! - SQS does not hide the message any more: the lease is lost, and is not renewed any further.

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

/// How many calls are made at the same time, so that a few thousand leases are renewed within one
/// or two seconds.
const CALLS_AT_ONCE: usize = 16;

impl Leases {
    /// Renews leases when they are due, for ever.
    pub(crate) async fn renew(&self, queue: &Queue) {
        let mut back_off: Option<Intervals> = None;
        loop {
            let interval = back_off.as_mut().map_or(delays::RENEWAL_INTERVAL, Intervals::advance);
            self.wait_until_due(interval).await;
            let at_once = if back_off.is_some() { 1 } else { CALLS_AT_ONCE };
            if self.renew_due(queue, at_once).await {
                back_off = None;
            } else {
                back_off.get_or_insert_with(|| {
                    Intervals::new(delays::RENEWAL_INTERVAL, delays::LATE_RENEWAL)
                });
            }
        }
    }

    /// Waits until a renewal is due, and for `interval` at least.
    async fn wait_until_due(&self, interval: Duration) {
        let earliest = Instant::now() + interval;
        let mut until = earliest.max(Instant::now() + self.time_until_due());
        loop {
            liveness::within(until.saturating_duration_since(Instant::now()));
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => return,
                () = self.resumed.notified() => {
                    until = until.min(earliest.max(Instant::now() + self.time_until_due()));
                }
            }
        }
    }

    /// Renews all leases that are due, and returns whether SQS answered every call. Once a whole
    /// call has failed, no further one is begun: it would fail as well.
    async fn renew_due(&self, queue: &Queue, at_once: usize) -> bool {
        let (due, failed) = (self.due_leases(), AtomicBool::new(false));
        let renew = async |numbers: &[u64]| {
            if !failed.load(Ordering::Relaxed) && !self.renew_batch(queue, numbers).await {
                failed.store(true, Ordering::Relaxed);
            }
        };
        stream::iter(due.chunks(BATCH_LIMIT)).for_each_concurrent(at_once, renew).await;
        !failed.into_inner()
    }

    /// How long it takes until a renewal is due, but [`delays::RENEWAL_INTERVAL`] at least; also
    /// where nothing is held.
    fn time_until_due(&self) -> Duration {
        let table = self.table();
        let held = table.entries.values().filter(|entry| entry.state == State::Held);
        let due = held.map(|entry| entry.renew_at).min();
        due.map_or(delays::RENEWAL_INTERVAL, |at| at.saturating_duration_since(Instant::now()))
            .max(delays::RENEWAL_INTERVAL)
    }

    /// The numbers of the leases whose renewal is due.
    fn due_leases(&self) -> Vec<u64> {
        let now = Instant::now();
        let table = self.table();
        let is_due = |entry: &Entry| entry.state == State::Held && entry.renew_at <= now;
        table.entries.iter().filter(|(_, entry)| is_due(entry)).map(|(number, _)| *number).collect()
    }

    /// Renews up to ten leases with one call, and returns whether SQS answered it.
    async fn renew_batch(&self, queue: &Queue, numbers: &[u64]) -> bool {
        let due = self.begin_renewals(numbers);
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
                self.metrics.count_renewals(Renewal::Failed, due.len());
                return false;
            }
        };
        for ((number, receipt, _), result) in due.iter().zip(results) {
            let renewal = match result {
                Ok(()) => self.extend(*number, started),
                Err(error) => self.lose_or_postpone(*number, receipt, &error),
            };
            if let Some(renewal) = renewal {
                self.metrics.count_renewals(renewal, 1);
            }
        }
        true
    }

    /// Marks the leases of a batch as being renewed, except those that have been settled since the
    /// round began. Returns their numbers, receipts and the times for which SQS is to hide them. A
    /// lease that has reached SQS's limit of 12 h is lost.
    fn begin_renewals(&self, numbers: &[u64]) -> Vec<(u64, Receipt, Duration)> {
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

    /// Extends a lease by a visibility timeout, counted from the time at which the call was made;
    /// `None` if the lease has ended meanwhile.
    fn extend(&self, number: u64, from: Instant) -> Option<Renewal> {
        let mut table = self.table();
        let entry = table.entries.get_mut(&number)?;
        entry.renew_at = from + self.visibility / 2;
        entry.expires = from + self.visibility;
        debug!(message.id = entry.message_id, "renewed the lease");
        Some(Renewal::Renewed)
    }

    /// Gives a lease up as lost, if SQS says that of its newest receipt, or else postpones its
    /// renewal.
    fn lose_or_postpone(
        &self,
        number: u64,
        receipt: &Receipt,
        error: &AwsError,
    ) -> Option<Renewal> {
        let mut table = self.table();
        let entry = table.entries.get_mut(&number)?;
        if error.class == Class::LeaseLost && entry.receipt == *receipt {
            entry.state = State::Lost;
            warn!(message.id = entry.message_id, %error, "lost the lease");
            return Some(Renewal::Lost);
        }
        warn!(message.id = entry.message_id, %error, "cannot renew the lease");
        entry.postpone_renewal();
        Some(Renewal::Failed)
    }
}

/// Dropped when the call for a batch has ended, however it went, also when the task is aborted. Its
/// leases are held again, and settlers that wait for them go on.
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
        self.leases.renewal_ended.notify_waiters();
    }
}

impl Entry {
    /// Has the renewal tried again when half of the time that the lease still lasts has passed.
    fn postpone_renewal(&mut self) {
        let now = Instant::now();
        let left = self.expires.saturating_duration_since(now);
        let wait = match left {
            Duration::ZERO => delays::LATE_RENEWAL,
            left => (left / 2).max(delays::RENEWAL_INTERVAL),
        };
        self.renew_at = now + wait;
    }
}
