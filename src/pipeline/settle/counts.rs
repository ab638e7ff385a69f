//! Counts where the messages went.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::record::{Disposition, Record};
use crate::domain::outcome::Outcome;
use crate::inflight::message::Arrival;
use crate::retry::delays;
use crate::telemetry::metrics::Metrics;

/// How many messages went which way during the drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainCounts {
    /// Deleted: their outcome is complete.
    pub deleted: u64,
    /// Handed back, visible at once.
    pub handed_back: u64,
    /// Rejected, and left to SQS's redrive; still invisible.
    pub rejected: u64,
    /// To be retried after a delay that has not passed yet.
    pub backing_off: u64,
}

/// How many messages went which way since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Deleted.
    pub(crate) deleted: u64,
    /// Made visible again, at once or later.
    pub(crate) returned: u64,
    /// Rejected, and left to SQS's redrive.
    pub(crate) rejected: u64,
}

/// Counts every message twice: when its end is decided, by outcome, and when it has left, by what
/// became of it.
#[derive(Debug)]
pub(crate) struct Counts {
    counted: Mutex<Counted>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Counted {
    deleted: u64,
    handed_back: u64,
    rejected: Invisible,
    backing_off: Invisible,
    totals: Totals,
}

/// How many messages become visible when.
#[derive(Debug, Default)]
struct Invisible(BTreeMap<Instant, u64>);

impl Counts {
    /// Counts from zero, in these metrics too.
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        Self { counted: Mutex::default(), metrics: Arc::clone(metrics) }
    }

    /// The counts since [`Counts::begin_drain`], and what is invisible now.
    pub(crate) fn of_drain(&self) -> DrainCounts {
        let counted = self.lock();
        DrainCounts {
            deleted: counted.deleted,
            handed_back: counted.handed_back,
            rejected: counted.rejected.count(),
            backing_off: counted.backing_off.count(),
        }
    }

    /// The counts since the start.
    pub(crate) fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Counts deletions and hand-backs from here on.
    pub(crate) fn begin_drain(&self) {
        let mut counted = self.lock();
        counted.deleted = 0;
        counted.handed_back = 0;
    }

    /// Counts a message whose end is decided. One that is to be tried again has no outcome yet.
    pub(super) fn ended(&self, arrival: &Arrival, record: &Record) {
        let Some(outcome) = record.outcome else { return };
        self.metrics.count_outcome(outcome);
        if is_completed_now(outcome) {
            self.metrics.measure_event_age(outcome, arrival.age());
        }
    }

    /// Counts a message that has left.
    pub(super) fn settled(&self, disposition: Disposition) {
        let mut counted = self.lock();
        match disposition {
            Disposition::Delete => {
                counted.deleted += 1;
                counted.totals.deleted += 1;
            }
            Disposition::Retry { after } => {
                counted.backing_off.note(Instant::now() + after);
                counted.totals.returned += 1;
            }
            Disposition::HandBack => {
                counted.handed_back += 1;
                counted.totals.returned += 1;
            }
            Disposition::Leave { until } => {
                counted.rejected.note(until);
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

/// Whether the work on the event ends with this message, so that its age tells how long it took.
fn is_completed_now(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Rejected | Outcome::AnnouncedBefore | Outcome::Duplicate)
}

impl Invisible {
    fn count(&self) -> u64 {
        self.0.range(Instant::now()..).map(|(_, count)| count).sum()
    }

    /// Counts by whole seconds from now and forgets what has passed, so that it stays small.
    fn note(&mut self, until: Instant) {
        self.0 = self.0.split_off(&Instant::now());
        let near = self.0.range(until..).next().map(|(at, _)| *at);
        let at = near.filter(|at| *at - until < delays::COUNTED_TOGETHER).unwrap_or(until);
        *self.0.entry(at).or_default() += 1;
    }
}
