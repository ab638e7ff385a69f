//! A series of attempts at one operation: its back-off, and its part in a pause.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::breaker::{Breakers, GaveUp, PATIENCE, Pause, PauseReason};
use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::retry::backoff::{Intervals, STEP_LIMIT};
use crate::runtime::liveness;

/// The probe's first interval; it doubles up to the cap of the settings.
const FIRST_PROBE: Duration = Duration::from_secs(1);

/// A series of attempts at one operation.
#[expect(clippy::struct_excessive_bools, reason = "each is asked for on its own")]
#[derive(Debug)]
pub struct Attempts<'breakers> {
    breakers: &'breakers Breakers,
    operation: Operation,
    number: u64,
    /// Whether the series ends after a while without success, rather than going on for ever.
    ends: bool,
    started: Instant,
    intervals: Intervals,
    sleep: Duration,
    lasting: bool,
    ended: bool,
    /// Whether the last turn brought no attempt, as where a look finds nothing to stop: a probe
    /// need not be waited for twice.
    unused: bool,
    /// Whether it has left the line of a pause that it will come back to, or end.
    away: bool,
}

impl<'breakers> Attempts<'breakers> {
    pub(super) fn new(breakers: &'breakers Breakers, operation: Operation, ends: bool) -> Self {
        Self {
            breakers,
            operation,
            number: breakers.next_series(),
            ends,
            started: Instant::now(),
            intervals: breakers.back_off(),
            sleep: Duration::ZERO,
            lasting: false,
            ended: false,
            unused: false,
            away: false,
        }
    }

    /// Waits for the turn of the next attempt: at once at first, then after the back-off, and
    /// during a pause as its probe or until it ends.
    ///
    /// # Errors
    /// When the series is over; the next turn begins another.
    pub async fn turn(&mut self) -> Result<(), GaveUp> {
        if self.ended {
            self.restart();
            return Err(GaveUp::Retry);
        }
        let drain = self.breakers.drain.clone();
        if drain.run_until_cancelled(self.wait()).await.is_some() {
            self.unused = true;
            return Ok(());
        }
        // A first attempt may still be made during the drain, if nothing is in its way.
        if self.is_untried() { Ok(()) } else { Err(GaveUp::HandBack) }
    }

    fn is_untried(&self) -> bool {
        self.sleep.is_zero() && !self.is_paused()
    }

    async fn wait(&mut self) {
        if !self.sleep.is_zero() {
            liveness::within(self.sleep);
            tokio::time::sleep(self.sleep).await;
            self.sleep = Duration::ZERO;
        }
        let breakers = self.breakers;
        loop {
            let changed = breakers.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.enter() {
                Some(Duration::ZERO) => return,
                Some(interval) => return self.sleep_before_probe(interval).await,
                None => {
                    liveness::idle();
                    changed.await;
                }
            }
        }
    }

    /// Sleeps before a probe, but no longer than the pause goes on.
    async fn sleep_before_probe(&self, interval: Duration) {
        let until = Instant::now() + interval;
        loop {
            let changed = self.breakers.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.is_paused() {
                return;
            }
            liveness::within(until.saturating_duration_since(Instant::now()));
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => return,
                () = changed => {}
            }
        }
    }

    fn is_paused(&self) -> bool {
        self.breakers.tracks().get(&self.operation).is_some_and(|track| track.pause.is_some())
    }

    /// Joins a pause; says how long to sleep before the attempt, or nothing for one who waits.
    fn enter(&self) -> Option<Duration> {
        let mut tracks = self.breakers.tracks();
        let pause = tracks.get_mut(&self.operation).and_then(|track| track.pause.as_mut());
        let Some(pause) = pause else { return Some(Duration::ZERO) };
        if !pause.line.contains(&self.number) {
            pause.line.push_back(self.number);
        }
        if pause.line.front() != Some(&self.number) {
            return None;
        }
        let mut next = || pause.intervals.up_to(self.breakers.cap()).advance();
        Some(if self.unused { Duration::ZERO } else { next() })
    }

    /// Notes a success, which ends a pause of the operation.
    pub fn succeeded(&mut self) {
        self.answered();
        let mut tracks = self.breakers.tracks();
        tracks.entry(self.operation.clone()).or_default().success = Some(Instant::now());
    }

    /// Notes an answer that was no success, yet shows that the operation works.
    pub fn answered(&mut self) {
        self.sleep = Duration::ZERO;
        self.lasting = false;
        self.unused = false;
        let mut tracks = self.breakers.tracks();
        let track = tracks.entry(self.operation.clone()).or_default();
        track.failing = None;
        let Some(pause) = track.pause.take() else { return };
        drop(tracks);
        let paused_secs = pause.since.elapsed().as_secs();
        info!(operation = ?self.operation, paused_secs, "the pause is over");
        self.breakers.metrics.resumed(self.operation.name(), self.operation.region());
        self.breakers.changed.notify_waiters();
    }

    /// Notes a failure that may pass, and decides how the next turn comes about.
    pub fn failed(&mut self, failure: &AwsError) {
        self.breakers.metrics.retries(self.operation.name());
        self.unused = false;
        let cap = self.breakers.cap();
        let interval = self.intervals.up_to(cap).advance();
        // A cap below the limit is never passed.
        self.lasting = interval >= STEP_LIMIT.min(cap);
        self.sleep = self.breakers.jitter.full(interval);
        let mut tracks = self.breakers.tracks();
        let track = tracks.entry(self.operation.clone()).or_default();
        let failing_for = track.failed();
        if let Some(pause) = &mut track.pause
            && pause.has(self.number)
        {
            pause.pass_on(self.number);
            self.lasting = true;
            self.sleep = Duration::ZERO;
            drop(tracks);
            self.breakers.changed.notify_waiters();
            return;
        }
        let others_succeed = track.success.is_some_and(|at| at >= self.started);
        if failure.class.is_systemic()
            || failing_for >= PATIENCE
            || (self.lasting && !others_succeed)
        {
            self.sleep = Duration::ZERO;
            let pause = track.pause.get_or_insert_with(|| self.pause(failure));
            pause.line.push_back(self.number);
            drop(tracks);
            self.breakers.changed.notify_waiters();
        } else if self.lasting && self.ends {
            self.ended = true;
        }
    }

    /// Puts the next attempt off, out of the line of a pause, so that others can probe meanwhile.
    pub fn put_off(&mut self, interval: Duration) {
        self.step_back();
        self.sleep = interval;
    }

    /// Notes a failure as [`Attempts::failed`] does, and says whether to go on with halves: the
    /// batch is too large, or a single one of its instances may be what keeps failing.
    pub fn must_halve(&mut self, failure: &AwsError, instances: usize) -> bool {
        if failure.class == Class::TooLarge && instances > 1 {
            self.answered();
            return true;
        }
        self.failed(failure);
        let vague = matches!(failure.class, Class::Transient | Class::Unknown | Class::Invalid);
        let halve = self.lasting && vague && instances > 1;
        if halve {
            self.restart();
        }
        halve
    }

    /// Whether a turn that was had does not count any more: a pause that another one probes began.
    pub fn must_wait(&self) -> bool {
        let tracks = self.breakers.tracks();
        let pause = tracks.get(&self.operation).and_then(|track| track.pause.as_ref());
        pause.is_some_and(|pause| pause.line.front() != Some(&self.number))
    }

    /// Whether the series is held up by a pause, so that something else may be tried instead.
    pub fn is_held_up(&self) -> bool {
        let tracks = self.breakers.tracks();
        let pause = tracks.get(&self.operation).and_then(|track| track.pause.as_ref());
        pause.is_some_and(|pause| pause.has(self.number))
    }

    /// Leaves the line of a pause while the task waits for something else: who waits in two lines
    /// at once could hold up another that waits the other way round. The pause itself goes on.
    pub fn step_back(&mut self) {
        let mut tracks = self.breakers.tracks();
        let track = tracks.get_mut(&self.operation);
        let Some(pause) = track.and_then(|track| track.pause.as_mut()) else { return };
        if pause.has(self.number) {
            self.away = true;
            pause.line.retain(|number| *number != self.number);
            drop(tracks);
            self.breakers.changed.notify_waiters();
        }
    }

    /// Lets another one probe, if something else kept this one from using its turn.
    pub fn give_way(&mut self) {
        if self.unused {
            self.step_back();
        }
    }

    /// Whether the series is over: whoever failed last ends, and nobody else. The next turn begins
    /// another.
    pub fn are_over(&mut self) -> bool {
        let over = self.ended;
        self.restart();
        over
    }

    /// Begins again after the end of the series.
    fn restart(&mut self) {
        if self.ended {
            self.ended = false;
            self.started = Instant::now();
            self.intervals = self.breakers.back_off();
            self.sleep = Duration::ZERO;
        }
    }

    fn pause(&self, failure: &AwsError) -> Pause {
        warn!(operation = ?self.operation, error = %failure, "pausing: this keeps failing");
        let (name, region) = (self.operation.name(), self.operation.region());
        let reason = PauseReason::from(failure.class);
        self.breakers.metrics.paused(name, region, reason.label());
        Pause {
            since: Instant::now(),
            reason,
            code: failure.code.clone(),
            stops_receiving: self.operation.region().is_none()
                || failure.class == Class::Credentials,
            line: VecDeque::new(),
            intervals: Intervals::new(FIRST_PROBE, self.breakers.cap()),
        }
    }
}

impl Drop for Attempts<'_> {
    /// Leaves the pause to the others; the last one to leave ends it, since nobody would probe.
    fn drop(&mut self) {
        self.step_back();
        let mut tracks = self.breakers.tracks();
        let Some(track) = tracks.get_mut(&self.operation).filter(|_| self.away) else { return };
        if track.pause.as_ref().is_some_and(|pause| pause.line.is_empty()) {
            track.pause = None;
            self.breakers.metrics.resumed(self.operation.name(), self.operation.region());
            drop(tracks);
            self.breakers.changed.notify_waiters();
        }
    }
}
