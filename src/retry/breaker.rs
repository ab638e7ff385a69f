//! The systemic gate: what keeps failing pauses, one probe at a time tries on, and all go on
//! after it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aws::error::Class;
use crate::aws::operation::Operation;
use crate::retry::attempts::Attempts;
use crate::retry::backoff::{Intervals, Jitter};
use crate::settings::Live;
use crate::telemetry::metrics::Metrics;

/// So long nothing but failures is a pause, whatever the codes.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// Why an operation pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// The credentials are refused.
    Credentials,
    /// The role lacks the permission.
    Denied,
    /// The queue, the topic or its key cannot be used.
    Gone,
    /// Nothing but failures of other kinds.
    Failing,
}

impl PauseReason {
    /// The label that the reason has in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Credentials => "credentials_refused",
            Self::Denied => "access_denied",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// The reason in words, as operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials refused",
            Self::Denied => "access denied",
            Self::Gone => "queue, topic or key gone",
            Self::Failing => "keeps failing",
        }
    }
}

impl From<Class> for PauseReason {
    fn from(class: Class) -> Self {
        match class {
            Class::Credentials => Self::Credentials,
            Class::Denied => Self::Denied,
            Class::Gone => Self::Gone,
            _ => Self::Failing,
        }
    }
}

/// How a series of attempts ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Others succeed: return the messages, and try them later.
    Retry,
    /// The daemon drains: hand the messages back.
    HandBack,
}

/// What is known of every operation; shared by all tasks.
#[derive(Debug)]
pub struct Breakers {
    tracks: Mutex<BTreeMap<Operation, Breaker>>,
    pub(super) series: AtomicU64,
    /// Wakes in the order of waiting, where a `watch` channel would draw lots.
    pub(super) changed: Notify,
    pub(super) live: watch::Receiver<Live>,
    pub(super) jitter: Arc<Jitter>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) drain: CancellationToken,
}

#[derive(Debug, Default)]
pub(super) struct Breaker {
    pub(super) success: Option<Instant>,
    pub(super) failing: Option<Failing>,
    pub(super) pause: Option<Pause>,
}

/// Failures without a success in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failing {
    pub(super) since: Instant,
    pub(super) last: Instant,
}

#[derive(Debug)]
pub(super) struct Pause {
    pub(super) since: Instant,
    pub(super) reason: PauseReason,
    /// The code of the failure that began it.
    pub(super) code: String,
    pub(super) stops_receiving: bool,
    /// The series that are held up, by number. The first is the probe; after a failure it goes
    /// to the end, so that one message that always fails holds up no others for long.
    pub(super) line: VecDeque<u64>,
    pub(super) intervals: Intervals,
}

impl Pause {
    pub(super) fn has(&self, number: u64) -> bool {
        self.line.contains(&number)
    }

    /// Sends a probe that failed to the end of the line.
    pub(super) fn pass_on(&mut self, number: u64) {
        if self.line.front() == Some(&number) {
            self.line.rotate_left(1);
        }
    }
}

impl Breaker {
    /// Notes a failure, and says for how long nothing but failures has been seen. What failed
    /// once, long ago, and was not tried again since tells nothing.
    pub(super) fn failed(&mut self) -> Duration {
        let now = Instant::now();
        let known = self.failing.filter(|failing| now - failing.last < PATIENCE);
        let since = known.map_or(now, |failing| failing.since);
        self.failing = Some(Failing { since, last: now });
        now - since
    }
}

impl Breakers {
    /// A gate with nothing paused; back-off sleeps end when `drain` is cancelled.
    pub fn new(
        live: watch::Receiver<Live>,
        jitter: Arc<Jitter>,
        metrics: Arc<Metrics>,
        drain: CancellationToken,
    ) -> Self {
        let (tracks, series, changed) = (Mutex::default(), AtomicU64::new(0), Notify::new());
        Self { tracks, series, changed, live, jitter, metrics, drain }
    }

    /// Begins a step: its back-off ends when the interval passes 5 s.
    pub fn step(&self, operation: Operation) -> Attempts<'_> {
        Attempts::new(self, operation, true)
    }

    /// Begins what must succeed in the end, such as a deletion.
    pub fn persist(&self, operation: Operation) -> Attempts<'_> {
        Attempts::new(self, operation, false)
    }

    /// Waits until nothing but receiving itself forbids to receive.
    pub async fn open_for_receiving(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.forbids_receiving() {
                return;
            }
            changed.await;
        }
    }

    /// Whether the operation succeeded within the last `period`.
    pub fn succeeded_within(&self, operation: &Operation, period: Duration) -> bool {
        let tracks = self.tracks();
        let success = tracks.get(operation).and_then(|track| track.success);
        success.is_some_and(|at| at.elapsed() <= period)
    }

    /// What pauses now, in words.
    pub fn pauses(&self) -> Vec<String> {
        let told = |(operation, track): (&Operation, &Breaker)| {
            let pause = track.pause.as_ref()?;
            let (reason, secs) = (pause.reason.as_str(), pause.since.elapsed().as_secs());
            Some(format!("paused for {secs} s: {operation}: {reason} ({})", pause.code))
        };
        self.tracks().iter().filter_map(told).collect()
    }

    fn forbids_receiving(&self) -> bool {
        let others = |(operation, track): (&Operation, &Breaker)| {
            *operation != Operation::Receive
                && track.pause.as_ref().is_some_and(|pause| pause.stops_receiving)
        };
        self.tracks().iter().any(others)
    }

    /// The longest back-off, as it is now.
    pub(super) fn cap(&self) -> Duration {
        self.live.borrow().retry.cap
    }

    pub(super) fn back_off(&self) -> Intervals {
        let live = self.live.borrow();
        Intervals::new(live.retry.first, live.retry.cap)
    }

    pub(super) fn next_series(&self) -> u64 {
        self.series.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn tracks(&self) -> MutexGuard<'_, BTreeMap<Operation, Breaker>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
