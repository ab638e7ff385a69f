//! Counts where the messages went, for the last line of the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::metrics::Metrics;

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

/// How many messages went which way since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Deleted.
    pub deleted: u64,
    /// Returned, at once or for later.
    pub returned: u64,
    /// Rejected, and left to SQS's redrive.
    pub rejected: u64,
}

/// Counts since the drain began, and what is invisible without being held.
#[derive(Debug, Default)]
pub struct Tally {
    tallied: Mutex<Tallied>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Tallied {
    deleted: u64,
    handed_back: u64,
    rejected: Invisible,
    backing_off: Invisible,
    totals: Totals,
}

/// How many messages become visible when.
#[derive(Debug, Default)]
struct Invisible(BTreeMap<Instant, u64>);

impl Tally {
    /// Counts from zero, in these metrics too.
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        Self { tallied: Mutex::default(), metrics: Arc::clone(metrics) }
    }

    /// The counts; call [`Tally::begin_drain`] first.
    pub fn counts(&self) -> Counts {
        let tallied = self.lock();
        Counts {
            deleted: tallied.deleted,
            handed_back: tallied.handed_back,
            rejected: tallied.rejected.count(),
            backing_off: tallied.backing_off.count(),
        }
    }

    /// The counts since the start.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Counts deletions and hand-backs from here on.
    pub fn begin_drain(&self) {
        let mut tallied = self.lock();
        tallied.deleted = 0;
        tallied.handed_back = 0;
    }

    /// Counts a message that was deleted.
    pub fn deleted(&self) {
        let mut tallied = self.lock();
        tallied.deleted += 1;
        tallied.totals.deleted += 1;
        self.metrics.left("delete", 1);
    }

    /// Counts messages that are visible at once.
    pub fn handed_back(&self, count: u64) {
        let mut tallied = self.lock();
        tallied.handed_back += count;
        tallied.totals.returned += count;
        self.metrics.left("hand back", count);
    }

    /// Counts a message that is invisible until its back-off ends.
    pub fn backs_off_until(&self, until: Instant) {
        let mut tallied = self.lock();
        tallied.backing_off.note(until);
        tallied.totals.returned += 1;
        self.metrics.left("return", 1);
    }

    /// Counts a message that was rejected, and is invisible until then.
    pub fn rejected_until(&self, until: Instant) {
        let mut tallied = self.lock();
        tallied.rejected.note(until);
        tallied.totals.rejected += 1;
        self.metrics.left("leave", 1);
    }

    fn lock(&self) -> MutexGuard<'_, Tallied> {
        self.tallied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Invisible {
    fn count(&self) -> u64 {
        self.0.range(Instant::now()..).map(|(_, count)| count).sum()
    }

    /// Counts by whole seconds from now and forgets what has passed, so that it stays small.
    fn note(&mut self, until: Instant) {
        self.0 = self.0.split_off(&Instant::now());
        let near = self.0.range(until..).next().map(|(at, _)| *at);
        let at = near.filter(|at| *at - until < Duration::from_secs(1)).unwrap_or(until);
        *self.0.entry(at).or_default() += 1;
    }
}
