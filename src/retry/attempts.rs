//! A series of attempts at one operation: when each may be made, and what follows from how it
//! went.
//!
//! ```text
//! let mut attempts = breakers.step(operation);
//! loop {
//!     let attempt = attempts.ready().await?;       // after the back-off, or as a pause's probe
//!     match call().await {
//!         Ok(_) => return attempt.succeeded(),
//!         Err(failure) => match attempt.failed(&failure) { … }
//!     }
//! }
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::retry::backoff::Intervals;
use crate::retry::breaker::Breakers;
use crate::retry::delays;
use crate::retry::pause::{Pause, Place, SeriesId};
use crate::runtime::liveness;

/// How attempts ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// Others succeed: retry the messages later.
    Retry,
    /// The daemon drains: hand the messages back.
    HandBack,
}

/// What a task does after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Tries the same again.
    Again,
    /// Tries the two halves of the batch: a single one of its instances may be at fault.
    Halve,
    /// Retries the messages much later: attempts of others succeed meanwhile, so it is these
    /// messages that fail. The series begins anew.
    GiveUp,
}

/// The attempts of one task at one operation, one after the other.
#[derive(Debug)]
pub(crate) struct Attempts {
    breakers: Arc<Breakers>,
    operation: Operation,
    id: SeriesId,
    ends: Ends,
    started: Instant,
    intervals: Intervals,
    /// Until when the task backs off.
    not_before: Instant,
}

/// When a series ends without success.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// When its back-off passes the limit of a step while attempts of others succeed.
    OthersSucceed,
    Never,
}

/// For how long a series has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    /// Not long: this may pass.
    Briefly,
    /// Its back-off has reached the limit of a step, or the operation is paused.
    Lastingly,
    /// Lastingly, while attempts of others succeeded: the series has ended and begun anew.
    Alone,
}

/// The right to one call. It is used up by saying how the call went; dropped without that, such
/// as where there is nothing left to call for, it goes to the next series that waits.
#[derive(Debug)]
pub(crate) struct Attempt<'series> {
    series: &'series mut Attempts,
    /// When the call could be made.
    began: Instant,
}

impl Breakers {
    /// Begins a series that gives up when its back-off reaches [`delays::STEP_LIMIT`] while
    /// attempts of others succeed.
    pub(crate) fn step(self: &Arc<Self>, operation: Operation) -> Attempts {
        Attempts::new(Arc::clone(self), operation, Ends::OthersSucceed)
    }

    /// Begins a series that never gives up, for what must succeed in the end, such as a deletion.
    pub(crate) fn persist(self: &Arc<Self>, operation: Operation) -> Attempts {
        Attempts::new(Arc::clone(self), operation, Ends::Never)
    }
}

impl Attempts {
    fn new(breakers: Arc<Breakers>, operation: Operation, ends: Ends) -> Self {
        let (id, intervals, now) = (breakers.next_series(), breakers.back_off(), Instant::now());
        Self { breakers, operation, id, ends, started: now, intervals, not_before: now }
    }

    /// Waits until the next attempt may be made: the first one at once, further ones after the
    /// back-off, and during a pause as its probe or when it is over.
    ///
    /// # Errors
    /// [`GaveUp::HandBack`], when the daemon drains and something is in the way of the attempt.
    pub(crate) async fn ready(&mut self) -> Result<Attempt<'_>, GaveUp> {
        let drain = self.breakers.drain.clone();
        let mut attempt = Attempt { series: self, began: Instant::now() };
        let waited = drain.run_until_cancelled(attempt.series.wait()).await;
        attempt.began = Instant::now();
        if waited.is_some() || attempt.series.need_not_wait() {
            Ok(attempt)
        } else {
            Err(GaveUp::HandBack)
        }
    }

    /// Puts the next attempt off, during a pause too: others probe meanwhile.
    pub(crate) fn put_off(&mut self, interval: Duration) {
        self.not_before = Instant::now() + interval;
    }

    /// Whether the operation is paused, so that something else may be tried as well.
    pub(crate) fn are_paused(&self) -> bool {
        self.breakers.is_paused(&self.operation)
    }

    fn need_not_wait(&self) -> bool {
        self.not_before <= Instant::now() && !self.are_paused()
    }

    async fn wait(&self) {
        let left = self.not_before.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            liveness::within(left);
            tokio::time::sleep(left).await;
        }
        let breakers = &self.breakers;
        loop {
            let changed = breakers.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match breakers.line_up(&self.operation, self.id) {
                None => return,
                Some(Place::Probe(at)) if at <= Instant::now() => return,
                Some(Place::Probe(at)) => {
                    liveness::within(at.saturating_duration_since(Instant::now()));
                    timeout_at(at, changed).await.ok();
                }
                Some(Place::Behind) => {
                    liveness::idle();
                    changed.await;
                }
            }
        }
    }

    fn fail(&mut self, failure: &AwsError, began: Instant) -> Failed {
        self.breakers.metrics.count_retry(self.operation.name());
        let failed = self.back_off();
        if self.pause(failure, failed, began) {
            // The pause says when to go on.
            self.not_before = Instant::now();
            self.breakers.changed.notify_waiters();
            return Failed::Lastingly;
        }
        match (failed, self.ends) {
            (Failed::Lastingly, Ends::OthersSucceed) => {
                self.begin_anew();
                Failed::Alone
            }
            _ => failed,
        }
    }

    fn back_off(&mut self) -> Failed {
        let cap = self.breakers.cap();
        let interval = self.intervals.up_to(cap).advance();
        self.not_before = Instant::now() + self.breakers.jitter.full(interval);
        // A cap below the limit is never passed.
        if interval >= delays::STEP_LIMIT.min(cap) { Failed::Lastingly } else { Failed::Briefly }
    }

    /// Goes on with a pause that this series probed, or begins one or joins in, if everybody's
    /// attempts fail. Says whether the series is in a pause then. A call that `began` before the
    /// last pause ended begins no new one: what it met is over.
    fn pause(&self, failure: &AwsError, failed: Failed, began: Instant) -> bool {
        let mut breakers = self.breakers.lock();
        let breaker = breakers.entry(self.operation.clone()).or_default();
        let failing_for = breaker.failed();
        if let Some(pause) = breaker.pause.as_mut().filter(|pause| pause.is_probe(self.id)) {
            pause.probe_failed(self.breakers.cap());
            if pause.reminds() {
                self.log_lasting(pause, failure);
            }
            return true;
        }
        let others_succeed = breaker.succeeded_since(self.started);
        let is_new = breaker.pause_ended.is_none_or(|at| at <= began);
        let must_pause = (failure.class.is_systemic() && is_new)
            || failing_for >= delays::PAUSE_AFTER
            || (failed == Failed::Lastingly && !others_succeed);
        if must_pause {
            breaker.pause.get_or_insert_with(|| self.begin_pause(failure)).admit(self.id);
        }
        must_pause
    }

    fn begin_pause(&self, failure: &AwsError) -> Pause {
        let pause = Pause::because_of(failure, &self.operation, self.breakers.cap());
        let (name, target) = (self.operation.name(), self.operation.target());
        let reason = pause.reason.label();
        warn!(
            operation = name,
            account = target.map(|target| display(&target.account)),
            region = target.map(|target| display(&target.region)),
            reason,
            error = %failure,
            "pausing: this keeps failing"
        );
        self.breakers.metrics.pause_began(name, target, reason);
        pause
    }

    fn log_lasting(&self, pause: &Pause, failure: &AwsError) {
        let target = self.operation.target();
        warn!(
            operation = self.operation.name(),
            account = target.map(|target| display(&target.account)),
            region = target.map(|target| display(&target.region)),
            reason = pause.reason.label(),
            paused_secs = pause.since.elapsed().as_secs(),
            error = %failure,
            "still pausing: this keeps failing"
        );
    }

    fn begin_anew(&mut self) {
        self.started = Instant::now();
        self.intervals = self.breakers.back_off();
        self.not_before = self.started;
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        self.breakers.forget(&self.operation, self.id);
    }
}

impl Attempt<'_> {
    /// Whether this attempt probes a paused operation.
    pub(crate) fn is_probe(&self) -> bool {
        self.series.breakers.is_probe(&self.series.operation, self.series.id)
    }

    /// Whether a pause that another series probes began while the task that holds this attempt
    /// waited for something else: the call must not be made any more.
    pub(crate) fn is_outdated(&self) -> bool {
        self.series.are_paused() && !self.is_probe()
    }

    /// Notes a success, which ends a pause of the operation that this attempt probed.
    pub(crate) fn succeeded(self) {
        self.series.not_before = Instant::now();
        self.series.breakers.succeeded(&self.series.operation, self.series.id);
    }

    /// Notes an answer that was no success, yet shows that the operation works.
    pub(crate) fn answered(self) {
        self.series.not_before = Instant::now();
        self.series.breakers.answered(&self.series.operation, self.series.id);
    }

    /// Notes a failure that may pass, of something that has no halves to try.
    pub(crate) fn failed(self, failure: &AwsError) -> Next {
        match self.series.fail(failure, self.began) {
            Failed::Alone => Next::GiveUp,
            Failed::Briefly | Failed::Lastingly => Next::Again,
        }
    }

    /// Notes that some entries of a batch succeeded, which ends a pause as a success does, and that
    /// others failed.
    pub(crate) fn failed_in_part(self, failure: &AwsError) -> Next {
        self.series.breakers.succeeded(&self.series.operation, self.series.id);
        self.failed(failure)
    }

    /// Notes the failure of a call for so many instances. It is to be halved if it is too large,
    /// or if it keeps failing in a way for which a single instance may be the reason.
    pub(crate) fn failed_for(self, failure: &AwsError, instances: usize) -> Next {
        if failure.class == Class::TooLarge && instances > 1 {
            self.answered();
            return Next::Halve;
        }
        let vague = matches!(failure.class, Class::Transient | Class::Unknown | Class::Invalid);
        match self.series.fail(failure, self.began) {
            Failed::Lastingly | Failed::Alone if vague && instances > 1 => Next::Halve,
            Failed::Alone => Next::GiveUp,
            Failed::Briefly | Failed::Lastingly => Next::Again,
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.series.breakers.leave_line(&self.series.operation, self.series.id);
    }
}
