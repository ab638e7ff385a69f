//! How long to leave EC2 alone while it throttles calls of one kind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::aws::error::{AwsError, Class};
use crate::retry::backoff::{Intervals, Jitter};
use crate::retry::delays;
use crate::runtime::liveness;
use crate::settings::{Live, RetrySettings};

/// EC2 that throttles again and again is used by others too: the next call waits, longer each time.
#[derive(Debug)]
pub(super) struct BackOff {
    state: Mutex<State>,
    /// The longest interval, if it is shorter than that of the settings.
    longest: Duration,
    jitter: Arc<Jitter>,
    live: watch::Receiver<Live>,
}

#[derive(Debug)]
struct State {
    until: Instant,
    /// `None` after any answer but that EC2 throttles.
    throttled: Option<Throttled>,
}

#[derive(Debug)]
struct Throttled {
    /// When EC2 said so first, and last.
    since: Instant,
    last: Instant,
    intervals: Intervals,
}

impl BackOff {
    /// No back-off yet. Its intervals follow the settings, but are never longer than `longest`.
    pub(super) fn new(longest: Duration, jitter: Arc<Jitter>, live: watch::Receiver<Live>) -> Self {
        let state = Mutex::new(State { until: Instant::now(), throttled: None });
        Self { state, longest, jitter, live }
    }

    /// Notes how a call ended: one that was throttled makes the next one wait, any other answer
    /// ends that.
    pub(super) fn note(&self, error: Option<&AwsError>) {
        let mut state = self.state();
        if !error.is_some_and(|error| error.class == Class::Throttled) {
            state.throttled = None;
            return;
        }
        let RetrySettings { first, cap } = self.live.borrow().retry;
        let cap = cap.min(self.longest);
        let now = Instant::now();
        let throttled = state.throttled.get_or_insert_with(|| Throttled {
            since: now,
            last: now,
            intervals: Intervals::new(first.min(cap), cap),
        });
        throttled.last = now;
        let interval = throttled.intervals.up_to(cap).advance();
        state.until = now + self.jitter.full(interval);
    }

    /// For how long EC2 has throttled every call, unless the last one is long ago.
    pub(super) fn throttled_for(&self) -> Option<Duration> {
        let state = self.state();
        let throttled = state.throttled.as_ref()?;
        (throttled.last.elapsed() < delays::NOTHING_BUT_THROTTLED)
            .then(|| throttled.since.elapsed())
    }

    /// Waits for the end of the back-off. It comes before the wait for tokens, so that those which
    /// come back into the buckets meanwhile can be used after it.
    pub(super) async fn ended(&self) {
        loop {
            let until = self.state().until;
            if until <= Instant::now() {
                return;
            }
            liveness::within(until - Instant::now());
            tokio::time::sleep_until(until).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
