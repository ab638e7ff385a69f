//! Slows the stop line of a region while EC2 throttles it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::retry::{Intervals, Jitter};
use crate::settings::{Live, RetrySettings};

/// When the next StopInstances may start; shared by the stoppers of a region.
#[derive(Debug)]
pub struct Pace {
    state: Mutex<State>,
    jitter: Arc<Jitter>,
    live: watch::Receiver<Live>,
}

#[derive(Debug)]
struct State {
    next: Instant,
    intervals: Option<Intervals>,
}

impl Pace {
    /// Starts unthrottled; intervals grow as those of a retry do.
    pub fn new(live: watch::Receiver<Live>, jitter: Arc<Jitter>) -> Self {
        let state = Mutex::new(State { next: Instant::now(), intervals: None });
        Self { state, jitter, live }
    }

    /// The moment from which the next attempt may start.
    pub fn next(&self) -> Instant {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).next
    }

    /// Notes a throttled attempt: the next one waits, longer each time.
    pub fn throttled(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let RetrySettings { first, cap } = self.live.borrow().retry;
        let interval = state.intervals.get_or_insert_with(|| Intervals::new(first, cap)).advance();
        state.next = Instant::now() + self.jitter.full(interval);
    }

    /// Notes an attempt that was not throttled: the line runs freely again.
    pub fn free(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).intervals = None;
    }
}
