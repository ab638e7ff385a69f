//! Counts how messages ended: for the metrics, for systemd's status line, and for the last line of
//! the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::record::{Disposition, Record};
use crate::domain::outcome::Outcome;
use crate::inflight::message::Arrival;
use crate::retry::delays;
use crate::telemetry::metrics::Metrics;

/// How many messages ended in which way by the end of the drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainCounts {
    /// Deleted, because their outcome is complete.
    pub deleted: u64,
    /// Made visible at once, for another process.
    pub handed_back: u64,
    /// Rejected since the start, and still invisible at the end.
    pub rejected: u64,
    /// Retried since the start, with a delay that has not passed at the end.
    pub backing_off: u64,
    /// Hidden since the start until their planned stop, and still hidden at the end.
    pub planned: u64,
    /// Hidden since the start because stops are held, and still hidden at the end.
    pub on_hold: u64,
}

/// How many messages ended in which way since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Deleted.
    pub(crate) deleted: u64,
    /// Made visible again, at once or later.
    pub(crate) returned: u64,
    /// Rejected, and left to the queue's redrive policy.
    pub(crate) rejected: u64,
}

/// Counts every message twice: by its outcome, when that is decided, and by its disposition, when
/// SQS has accepted that.
#[derive(Debug)]
pub(crate) struct Counts {
    counted: Mutex<Counted>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Counted {
    /// Since the drain began.
    deleted: u64,
    /// Since the drain began.
    handed_back: u64,
    rejected: Invisible,
    backing_off: Invisible,
    planned: Invisible,
    on_hold: Invisible,
    totals: Totals,
}

/// How many messages become visible at which time.
#[derive(Debug, Default)]
pub(crate) struct Invisible(BTreeMap<Instant, u64>);

impl Counts {
    /// Counts that begin at 0, and also count in these metrics.
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        Self { counted: Mutex::default(), metrics: Arc::clone(metrics) }
    }

    /// How many messages were deleted and handed back since [`Counts::begin_drain`], and how many
    /// rejected, retried, planned and held ones are invisible now.
    pub(crate) fn of_drain(&self) -> DrainCounts {
        let counted = self.lock();
        DrainCounts {
            deleted: counted.deleted,
            handed_back: counted.handed_back,
            rejected: counted.rejected.count(),
            backing_off: counted.backing_off.count(),
            planned: counted.planned.count(),
            on_hold: counted.on_hold.count(),
        }
    }

    /// The counts since the start.
    pub(crate) fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Counts deletions and hand-backs from 0 on.
    pub(crate) fn begin_drain(&self) {
        let mut counted = self.lock();
        counted.deleted = 0;
        counted.handed_back = 0;
    }

    /// Counts a message, or an instance that a sweep found, by its outcome. One that is retried or
    /// handed back has none.
    pub(super) fn ended(&self, arrival: &Arrival, record: &Record) {
        let Some(outcome) = record.outcome else { return };
        self.metrics.count_outcome(outcome);
        if is_completed_now(outcome) {
            if arrival.message_id.is_some() {
                self.metrics.measure_event_age(outcome, arrival.age());
            }
            if let Some(decision) = &record.decision {
                self.metrics.count_violations(decision);
            }
        }
    }

    /// Counts a message by its disposition, once SQS has accepted that.
    pub(super) fn settled(&self, disposition: Disposition) {
        let mut counted = self.lock();
        match disposition {
            Disposition::Delete => {
                counted.deleted += 1;
                counted.totals.deleted += 1;
            }
            Disposition::Retry { after } => {
                counted.backing_off.add(Instant::now() + after);
                counted.totals.returned += 1;
            }
            Disposition::Hide { until } => {
                counted.planned.add(until);
                counted.totals.returned += 1;
            }
            Disposition::Hold { until } => {
                counted.on_hold.add(until);
                counted.totals.returned += 1;
            }
            Disposition::HandBack => {
                counted.handed_back += 1;
                counted.totals.returned += 1;
            }
            Disposition::Leave { until } => {
                counted.rejected.add(until);
                counted.totals.rejected += 1;
            }
        }
        self.metrics.count_disposition(disposition.label());
    }

    /// Counts messages that the last round of the drain handed back.
    pub(crate) fn handed_back(&self, count: usize) {
        (0..count).for_each(|_| self.settled(Disposition::HandBack));
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the work on the event ended with this message, so that the event's age shows how long
/// that took.
fn is_completed_now(outcome: Outcome) -> bool {
    outcome.is_complete() || outcome == Outcome::Ignored
}

impl Invisible {
    /// How many messages are invisible now.
    pub(crate) fn count(&self) -> u64 {
        self.0.range(Instant::now()..).map(|(_, count)| count).sum()
    }

    /// Adds a message that is invisible until then. Messages that become visible within 1 s of each
    /// other share an entry, and past entries are forgotten, so that the map stays small.
    pub(crate) fn add(&mut self, until: Instant) {
        self.0 = self.0.split_off(&Instant::now());
        let near = self.0.range(until..).next().map(|(at, _)| *at);
        let at = near.filter(|at| *at - until < delays::COUNTED_TOGETHER).unwrap_or(until);
        *self.0.entry(at).or_default() += 1;
    }
}
