//! The systemic gate: what keeps failing pauses, one probe tries on, and all go on after it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::alive;
use crate::aws::error::{Class, Failure};
use crate::event::Region;
use crate::retry::{Intervals, Jitter, STEP_LIMIT};
use crate::settings::RetrySettings;

/// The probe's first interval; it doubles up to the cap of the settings.
const FIRST_PROBE: Duration = Duration::from_secs(1);
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
    pauses: AtomicU64,
    changed: watch::Sender<()>,
    retry: RetrySettings,
    jitter: Arc<Jitter>,
    drain: CancellationToken,
}

#[derive(Debug, Default)]
struct Track {
    success: Option<Instant>,
    failing_since: Option<Instant>,
    pause: Option<Pause>,
}

#[derive(Debug)]
struct Pause {
    /// Tells one pause of an operation from the next.
    number: u64,
    since: Instant,
    stops_receiving: bool,
    members: usize,
    probed: bool,
    intervals: Intervals,
}

/// A series of attempts at one call.
#[derive(Debug)]
pub struct Attempts<'gate> {
    gate: &'gate Gate,
    operation: Operation,
    limit: Option<Duration>,
    started: Instant,
    intervals: Intervals,
    sleep: Duration,
    ended: bool,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Free,
    /// Waits for the end of the pause of this number.
    Waiting(u64),
    /// Tries on, on behalf of all who wait in the pause of this number.
    Probe(u64),
}

impl Role {
    fn is_in(self, pause: &Pause) -> bool {
        matches!(self, Self::Waiting(number) | Self::Probe(number) if number == pause.number)
    }
}

impl Gate {
    /// A gate with nothing paused; back-off sleeps end when `drain` is cancelled.
    pub fn new(retry: RetrySettings, jitter: Arc<Jitter>, drain: CancellationToken) -> Self {
        let (changed, _) = watch::channel(());
        Self { tracks: Mutex::default(), pauses: AtomicU64::new(0), changed, retry, jitter, drain }
    }

    /// Begins a step: its back-off ends when the interval passes 5 s.
    pub fn step(&self, operation: Operation) -> Attempts<'_> {
        self.attempts(operation, Some(STEP_LIMIT))
    }

    /// Begins what must succeed in the end, such as a deletion.
    pub fn persist(&self, operation: Operation) -> Attempts<'_> {
        self.attempts(operation, None)
    }

    fn attempts(&self, operation: Operation, limit: Option<Duration>) -> Attempts<'_> {
        Attempts {
            gate: self,
            operation,
            limit,
            started: Instant::now(),
            intervals: Intervals::new(self.retry.first, self.retry.cap),
            sleep: Duration::ZERO,
            ended: false,
            role: Role::Free,
        }
    }

    /// Waits until nothing but receiving itself forbids to receive.
    pub async fn open_for_receiving(&self) {
        let mut changed = self.changed.subscribe();
        while self.forbids_receiving() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether the operation succeeded within the last `period`.
    pub fn succeeded_within(&self, operation: &Operation, period: Duration) -> bool {
        let tracks = self.tracks();
        let success = tracks.get(operation).and_then(|track| track.success);
        success.is_some_and(|at| at.elapsed() <= period)
    }

    fn forbids_receiving(&self) -> bool {
        let others = |(operation, track): (&Operation, &Track)| {
            *operation != Operation::Receive
                && track.pause.as_ref().is_some_and(|pause| pause.stops_receiving)
        };
        self.tracks().iter().any(others)
    }

    fn tracks(&self) -> MutexGuard<'_, BTreeMap<Operation, Track>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempts<'_> {
    /// Waits for the turn of the next attempt: at once at first, then after the back-off, and
    /// during a pause as its probe or until it ends.
    ///
    /// # Errors
    /// When the series is over.
    pub async fn turn(&mut self) -> Result<(), Ended> {
        if self.ended {
            return Err(Ended::Return);
        }
        let drain = self.gate.drain.clone();
        drain.run_until_cancelled(self.wait()).await.ok_or(Ended::HandBack).or_else(|ended| {
            // A first attempt may still be made during the drain, if nothing is in its way.
            if self.is_untried() { Ok(()) } else { Err(ended) }
        })
    }

    fn is_untried(&self) -> bool {
        let tracks = self.gate.tracks();
        let paused = tracks.get(&self.operation).is_some_and(|track| track.pause.is_some());
        self.sleep.is_zero() && !paused
    }

    async fn wait(&mut self) {
        if !self.sleep.is_zero() {
            alive::within(self.sleep);
            tokio::time::sleep(self.sleep).await;
            self.sleep = Duration::ZERO;
        }
        let mut changed = self.gate.changed.subscribe();
        loop {
            match self.enter() {
                Some(Duration::ZERO) => return,
                Some(interval) => {
                    alive::within(interval);
                    return tokio::time::sleep(interval).await;
                }
                None => {
                    alive::idle();
                    if changed.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Joins a pause; says how long to sleep before the attempt, or nothing for one who waits.
    fn enter(&mut self) -> Option<Duration> {
        let mut tracks = self.gate.tracks();
        let pause = tracks.get_mut(&self.operation).and_then(|track| track.pause.as_mut());
        let Some(pause) = pause else {
            self.role = Role::Free;
            return Some(Duration::ZERO);
        };
        if !self.role.is_in(pause) {
            pause.members += 1;
            self.role = Role::Waiting(pause.number);
        }
        if matches!(self.role, Role::Waiting(_)) && pause.probed {
            return None;
        }
        pause.probed = true;
        self.role = Role::Probe(pause.number);
        Some(pause.intervals.advance())
    }

    /// Notes a success, which ends a pause of the operation.
    pub fn succeeded(&mut self) {
        self.answered();
        let mut tracks = self.gate.tracks();
        tracks.entry(self.operation.clone()).or_default().success = Some(Instant::now());
    }

    /// Notes an answer that was no success, yet shows that the operation works.
    pub fn answered(&mut self) {
        self.sleep = Duration::ZERO;
        self.role = Role::Free;
        let mut tracks = self.gate.tracks();
        let track = tracks.entry(self.operation.clone()).or_default();
        track.failing_since = None;
        let Some(pause) = track.pause.take() else { return };
        drop(tracks);
        let paused_secs = pause.since.elapsed().as_secs();
        info!(operation = ?self.operation, paused_secs, "the pause is over");
        self.gate.changed.send_replace(());
    }

    /// Notes a failure that may pass, and decides how the next turn comes about.
    pub fn failed(&mut self, failure: &Failure) {
        let interval = self.intervals.advance();
        self.sleep = self.gate.jitter.full(interval);
        let mut tracks = self.gate.tracks();
        let track = tracks.entry(self.operation.clone()).or_default();
        let failing_since = *track.failing_since.get_or_insert_with(Instant::now);
        if track.pause.as_ref().is_some_and(|pause| self.role.is_in(pause)) {
            self.sleep = Duration::ZERO;
            return;
        }
        let lasting = interval > STEP_LIMIT;
        let others_succeed = track.success.is_some_and(|at| at >= self.started);
        if failure.class.is_systemic()
            || failing_since.elapsed() >= PATIENCE
            || (lasting && !others_succeed)
        {
            self.sleep = Duration::ZERO;
            let pause = track.pause.get_or_insert_with(|| self.pause(failure));
            pause.members += 1;
            self.role = Role::Waiting(pause.number);
            drop(tracks);
            self.gate.changed.send_replace(());
        } else if lasting && self.limit.is_some() {
            self.ended = true;
        }
    }

    fn pause(&self, failure: &Failure) -> Pause {
        warn!(operation = ?self.operation, error = %failure, "pausing: this keeps failing");
        let regional = matches!(
            self.operation,
            Operation::DescribeTags(_)
                | Operation::DescribeInstances(_)
                | Operation::StopInstances(_)
        );
        Pause {
            number: self.gate.pauses.fetch_add(1, Ordering::Relaxed),
            since: Instant::now(),
            stops_receiving: !regional || failure.class == Class::Credentials,
            members: 0,
            probed: false,
            intervals: Intervals::new(FIRST_PROBE, self.gate.retry.cap),
        }
    }
}

impl Drop for Attempts<'_> {
    /// Leaves the pause to the others; the last one to leave ends it, since nobody would probe.
    fn drop(&mut self) {
        if self.role == Role::Free {
            return;
        }
        let mut tracks = self.gate.tracks();
        let Some(track) = tracks.get_mut(&self.operation) else { return };
        let Some(pause) = track.pause.as_mut().filter(|pause| self.role.is_in(pause)) else {
            return;
        };
        pause.members -= 1;
        if matches!(self.role, Role::Probe(_)) {
            pause.probed = false;
        }
        if pause.members == 0 {
            track.pause = None;
        }
        drop(tracks);
        self.gate.changed.send_replace(());
    }
}
