//! The systemic gate: what keeps failing pauses, one probe at a time tries on, and all go on
//! after it.

mod attempts;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use attempts::Attempts;

use crate::aws::error::Class;
use crate::event::Region;
use crate::metrics::Metrics;
use crate::retry::{Intervals, Jitter};
use crate::settings::Live;

/// So long nothing but failures is a pause, whatever the codes.
const PATIENCE: Duration = Duration::from_mins(1);

/// An AWS operation that can fail for everybody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// SQS ReceiveMessage.
    Receive,
    /// SQS DeleteMessageBatch.
    Delete,
    /// SQS ChangeMessageVisibilityBatch.
    Hide,
    /// SNS PublishBatch.
    Publish,
    /// EC2 DescribeTags in a region.
    DescribeTags(Region),
    /// EC2 DescribeInstances in a region.
    DescribeInstances(Region),
    /// EC2 StopInstances in a region.
    StopInstances(Region),
}

impl Operation {
    /// What AWS calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Receive => "ReceiveMessage",
            Self::Delete => "DeleteMessageBatch",
            Self::Hide => "ChangeMessageVisibilityBatch",
            Self::Publish => "PublishBatch",
            Self::DescribeTags(_) => "DescribeTags",
            Self::DescribeInstances(_) => "DescribeInstances",
            Self::StopInstances(_) => "StopInstances",
        }
    }

    /// The region whose messages alone a failure holds up.
    pub fn region(&self) -> Option<&Region> {
        match self {
            Self::Receive | Self::Delete | Self::Hide | Self::Publish => None,
            Self::DescribeTags(region)
            | Self::DescribeInstances(region)
            | Self::StopInstances(region) => Some(region),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())?;
        self.region().map_or(Ok(()), |region| write!(formatter, " in {region}"))
    }
}

/// Why an operation pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The credentials are refused.
    Credentials,
    /// The role lacks the permission.
    Denied,
    /// The queue, the topic or its key cannot be used.
    Gone,
    /// Nothing but failures of other kinds.
    Failing,
}

impl Reason {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials refused",
            Self::Denied => "access denied",
            Self::Gone => "queue, topic or key gone",
            Self::Failing => "keeps failing",
        }
    }
}

impl From<Class> for Reason {
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
pub enum Ended {
    /// Others succeed: return the messages, and try them later.
    Return,
    /// The daemon drains: hand the messages back.
    HandBack,
}

/// What is known of every operation; shared by all tasks.
#[derive(Debug)]
pub struct Gate {
    tracks: Mutex<BTreeMap<Operation, Track>>,
    series: AtomicU64,
    /// Wakes in the order of waiting, where a `watch` channel would draw lots.
    changed: Notify,
    live: watch::Receiver<Live>,
    jitter: Arc<Jitter>,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
}

#[derive(Debug, Default)]
struct Track {
    success: Option<Instant>,
    failing: Option<Failing>,
    pause: Option<Pause>,
}

/// Failures without a success in between.
#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    last: Instant,
}

#[derive(Debug)]
struct Pause {
    since: Instant,
    reason: Reason,
    /// The code of the failure that began it.
    code: String,
    stops_receiving: bool,
    /// The series that are held up, by number. The first is the probe; after a failure it goes
    /// to the end, so that one message that always fails holds up no others for long.
    line: VecDeque<u64>,
    intervals: Intervals,
}

impl Pause {
    fn has(&self, number: u64) -> bool {
        self.line.contains(&number)
    }

    /// Sends a probe that failed to the end of the line.
    fn pass_on(&mut self, number: u64) {
        if self.line.front() == Some(&number) {
            self.line.rotate_left(1);
        }
    }
}

impl Track {
    /// Notes a failure, and says for how long nothing but failures has been seen. What failed
    /// once, long ago, and was not tried again since tells nothing.
    fn failed(&mut self) -> Duration {
        let now = Instant::now();
        let known = self.failing.filter(|failing| now - failing.last < PATIENCE);
        let since = known.map_or(now, |failing| failing.since);
        self.failing = Some(Failing { since, last: now });
        now - since
    }
}

impl Gate {
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
        let told = |(operation, track): (&Operation, &Track)| {
            let pause = track.pause.as_ref()?;
            let (reason, secs) = (pause.reason.as_str(), pause.since.elapsed().as_secs());
            Some(format!("paused for {secs} s: {operation}: {reason} ({})", pause.code))
        };
        self.tracks().iter().filter_map(told).collect()
    }

    fn forbids_receiving(&self) -> bool {
        let others = |(operation, track): (&Operation, &Track)| {
            *operation != Operation::Receive
                && track.pause.as_ref().is_some_and(|pause| pause.stops_receiving)
        };
        self.tracks().iter().any(others)
    }

    /// The longest back-off, as it is now.
    fn cap(&self) -> Duration {
        self.live.borrow().retry.cap
    }

    fn back_off(&self) -> Intervals {
        let live = self.live.borrow();
        Intervals::new(live.retry.first, live.retry.cap)
    }

    fn next_series(&self) -> u64 {
        self.series.fetch_add(1, Ordering::Relaxed)
    }

    fn tracks(&self) -> MutexGuard<'_, BTreeMap<Operation, Track>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
