//! A circuit breaker for each AWS operation. An operation that keeps failing is paused: one task
//! at a time probes it while all others wait, and its first answer lets all of them go on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::aws::error::table;
use crate::aws::operation::Operation;
use crate::retry::backoff::{Intervals, Jitter};
use crate::retry::delays;
use crate::retry::pause::{Pause, PauseReason, Place, SeriesId};
use crate::settings::Live;
use crate::telemetry::metrics::Metrics;

/// What is told of a region that refuses credentials which SQS accepts.
const REGION_REMEDY: &str = "; SQS accepts them: is the account opted in to the region?";
/// What is told of a member account for which there are none, while SQS accepts the daemon's own.
const ROLE_REMEDY: &str = "; can its role be assumed?";

/// The breakers of all operations, shared by all tasks.
#[derive(Debug)]
pub(crate) struct Breakers {
    by_operation: Mutex<BTreeMap<Operation, Breaker>>,
    series: AtomicU64,
    /// Signalled when a pause begins, moves on or ends. It wakes tasks in the order of their
    /// waiting, where a `watch` channel would draw lots.
    pub(super) changed: Notify,
    live: watch::Receiver<Live>,
    pub(super) jitter: Arc<Jitter>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) drain: CancellationToken,
}

/// What is known of one operation.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    pub(super) last_success: Option<Instant>,
    pub(super) failing: Option<Failing>,
    pub(super) pause: Option<Pause>,
    /// When the last pause ended.
    pub(super) pause_ended: Option<Instant>,
}

/// Failures without an answer in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failing {
    since: Instant,
    last: Instant,
}

impl Breaker {
    /// Notes a failure, and says for how long nothing but failures has been seen. A failure that is
    /// a minute old, with no attempt since, does not count: nobody knows what was in between.
    pub(super) fn failed(&mut self) -> Duration {
        let now = Instant::now();
        let known = self.failing.filter(|failing| now - failing.last < delays::PAUSE_AFTER);
        let since = known.map_or(now, |failing| failing.since);
        self.failing = Some(Failing { since, last: now });
        now - since
    }

    /// Whether an attempt succeeded at this time or later.
    pub(super) fn succeeded_since(&self, time: Instant) -> bool {
        self.last_success.is_some_and(|at| at >= time)
    }
}

impl Breakers {
    /// Breakers that are all closed. Waits for an attempt end when `drain` is cancelled.
    pub(crate) fn new(
        live: watch::Receiver<Live>,
        jitter: Arc<Jitter>,
        metrics: Arc<Metrics>,
        drain: CancellationToken,
    ) -> Self {
        let (by_operation, series, changed) = (Mutex::default(), AtomicU64::new(0), Notify::new());
        Self { by_operation, series, changed, live, jitter, metrics, drain }
    }

    /// Waits until nothing but a pause of receiving itself, which the next poll probes, keeps
    /// messages from being received.
    pub(crate) async fn open_for_receiving(&self) {
        self.until(|| !self.forbid_receiving()).await;
    }

    /// Waits until the operation is not paused.
    pub(crate) async fn until_open(&self, operation: &Operation) {
        self.until(|| !self.is_paused(operation)).await;
    }

    /// Waits until the operation is paused.
    pub(crate) async fn until_paused(&self, operation: &Operation) {
        self.until(|| self.is_paused(operation)).await;
    }

    /// Waits until a pause that begins or ends makes a condition true.
    async fn until(&self, condition: impl Fn() -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition() {
                return;
            }
            changed.await;
        }
    }

    /// Whether the operation is paused.
    pub(crate) fn is_paused(&self, operation: &Operation) -> bool {
        self.lock().get(operation).is_some_and(|breaker| breaker.pause.is_some())
    }

    /// For how long the operation has been paused; `None` if it is not.
    pub(crate) fn paused_for(&self, operation: &Operation) -> Option<Duration> {
        let breakers = self.lock();
        let pause = breakers.get(operation).and_then(|breaker| breaker.pause.as_ref())?;
        Some(pause.since.elapsed())
    }

    /// Whether the last attempt at the operation failed.
    pub(crate) fn is_failing(&self, operation: &Operation) -> bool {
        self.lock().get(operation).is_some_and(|breaker| breaker.failing.is_some())
    }

    /// Whether the operation is paused, and it is this series that probes it.
    pub(super) fn is_probe(&self, operation: &Operation, series: SeriesId) -> bool {
        let breakers = self.lock();
        let pause = breakers.get(operation).and_then(|breaker| breaker.pause.as_ref());
        pause.is_some_and(|pause| pause.is_probe(series))
    }

    /// The place of a series in the line of a pause, if there is one; it joins the line with that.
    pub(super) fn line_up(&self, operation: &Operation, series: SeriesId) -> Option<Place> {
        let mut breakers = self.lock();
        let pause = breakers.get_mut(operation)?.pause.as_mut()?;
        Some(pause.line_up(series))
    }

    /// Takes a series out of the line of a pause, so that the next one can probe.
    pub(super) fn leave_line(&self, operation: &Operation, series: SeriesId) {
        let mut breakers = self.lock();
        let pause = breakers.get_mut(operation).and_then(|breaker| breaker.pause.as_mut());
        let has_left = pause.is_some_and(|pause| pause.leave_line(series));
        drop(breakers);
        if has_left {
            self.changed.notify_waiters();
        }
    }

    /// Notes a success, which ends a pause that this series probed.
    pub(super) fn succeeded(&self, operation: &Operation, series: SeriesId) {
        self.answered(operation, series);
        self.lock().entry(operation.clone()).or_default().last_success = Some(Instant::now());
    }

    /// Notes an answer, which ends a pause that this series probed. The answer to any other call
    /// says nothing about a pause: the call began before it.
    pub(super) fn answered(&self, operation: &Operation, series: SeriesId) {
        let mut breakers = self.lock();
        let breaker = breakers.entry(operation.clone()).or_default();
        if breaker.pause.as_ref().is_some_and(|pause| !pause.is_probe(series)) {
            return;
        }
        breaker.failing = None;
        let Some(pause) = breaker.pause.take() else { return };
        breaker.pause_ended = Some(Instant::now());
        drop(breakers);
        let paused_secs = pause.since.elapsed().as_secs();
        let target = operation.target();
        info!(
            operation = operation.name(),
            account = target.map(|target| display(&target.account)),
            region = target.map(|target| display(&target.region)),
            paused_secs,
            "the pause is over"
        );
        self.changed.notify_waiters();
    }

    /// Forgets a series that is over. A pause that nobody is left to probe ends.
    pub(super) fn forget(&self, operation: &Operation, series: SeriesId) {
        let mut breakers = self.lock();
        let Some(breaker) = breakers.get_mut(operation) else { return };
        if breaker.pause.as_mut().is_some_and(|pause| pause.forget(series)) {
            breaker.pause = None;
            drop(breakers);
            self.changed.notify_waiters();
        }
    }

    /// Whether the operation succeeded within the last `period`.
    pub(crate) fn succeeded_within(&self, operation: &Operation, period: Duration) -> bool {
        let breakers = self.lock();
        let success = breakers.get(operation).and_then(|breaker| breaker.last_success);
        success.is_some_and(|at| at.elapsed() <= period)
    }

    /// Shows the counters of an operation from its start on, and whether it pauses.
    pub(crate) fn watch(&self, operation: Operation) {
        let reasons = PauseReason::ALL.map(PauseReason::label);
        self.metrics.start_operation(operation.name(), operation.target(), &reasons);
        self.add(operation);
    }

    /// Shows whether an operation pauses. Its counters appear with the first pause: of the members there
    /// are thousands, and each counter takes 400 bytes for as long as the process runs.
    pub(crate) fn add(&self, operation: Operation) {
        self.lock().entry(operation).or_default();
    }

    /// Forgets an operation that is called no more.
    pub(crate) fn unwatch(&self, operation: &Operation) {
        self.lock().remove(operation);
    }

    /// Whether each operation pauses.
    pub(crate) fn states(&self) -> BTreeMap<Operation, bool> {
        let state = |(operation, breaker): (&Operation, &Breaker)| {
            (operation.clone(), breaker.pause.is_some())
        };
        self.lock().iter().map(state).collect()
    }

    /// What pauses now and holds up messages, in words.
    pub(crate) fn pauses(&self) -> Vec<String> {
        self.pauses_of(Operation::holds_messages)
    }

    /// Which calls to EC2 pause now, in words.
    pub(crate) fn target_pauses(&self) -> Vec<String> {
        self.pauses_of(|operation| operation.target().is_some())
    }

    /// What pauses now although no message waits for it, in words.
    pub(crate) fn harmless_pauses(&self) -> Vec<String> {
        self.pauses_of(|operation| !operation.holds_messages())
    }

    fn pauses_of(&self, counts: impl Fn(&Operation) -> bool) -> Vec<String> {
        let breakers = self.lock();
        let pauses: Vec<_> = breakers
            .iter()
            .filter(|(operation, _)| counts(operation))
            .filter_map(|(operation, breaker)| Some((operation, breaker.pause.as_ref()?)))
            .collect();
        let sqs_accepts = !pauses.iter().any(|(operation, _)| **operation == Operation::Receive);
        let told = |(operation, pause): &(&Operation, &Pause)| {
            let (reason, secs) = (pause.reason.as_str(), pause.since.elapsed().as_secs());
            let is_region_at_fault = pause.reason == PauseReason::Credentials
                && operation.target().is_some()
                && sqs_accepts;
            let remedy = match &*pause.code {
                _ if !is_region_at_fault => "",
                code if code == table::NO_CREDENTIALS.code => ROLE_REMEDY,
                _ => REGION_REMEDY,
            };
            format!("paused for {secs} s: {operation}: {reason} ({}){remedy}", pause.code)
        };
        pauses.iter().map(told).collect()
    }

    fn forbid_receiving(&self) -> bool {
        let others = |(operation, breaker): (&Operation, &Breaker)| {
            *operation != Operation::Receive
                && breaker.pause.as_ref().is_some_and(|pause| pause.stops_receiving)
        };
        self.lock().iter().any(others)
    }

    /// The longest interval, as the settings have it now.
    pub(super) fn cap(&self) -> Duration {
        self.live.borrow().retry.cap
    }

    pub(super) fn back_off(&self) -> Intervals {
        let live = self.live.borrow();
        Intervals::new(live.retry.first, live.retry.cap)
    }

    pub(super) fn next_series(&self) -> SeriesId {
        SeriesId(self.series.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<Operation, Breaker>> {
        self.by_operation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
