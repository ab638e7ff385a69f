//! The queue of stops that IAM denied.
//!
//! A denial means one of two things: the role may stop nothing at all, or a guard in its policy
//! protects single instances. Stopping single instances tells the two apart, so all others are
//! parked here meanwhile:
//! - Parked stops are tried one at a time, the newest first, since it may be one that the role can
//!   stop. The waits in between grow from 1 s to 10 s.
//! - Once a stop has succeeded, the role works. The parked stops are then tried together, in full
//!   batches, and instances that are still denied are refused.
//! - A stop that has been parked for `policy.denial_timeout_secs` (10 minutes by default) is tried
//!   once more by itself, and is then refused.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::batch::{History, StopBatch};
use crate::pipeline::delivery::Delivery;
use crate::retry::backoff::Intervals;
use crate::retry::delays;
use crate::runtime::liveness;

/// The denied stops of a target.
#[derive(Debug, Default)]
pub(crate) struct DeniedStops {
    parked: Mutex<Parked>,
    /// Signalled when a stop is parked for the first time.
    newly_parked: Notify,
}

#[derive(Debug, Default)]
struct Parked {
    /// The parked stops: newly parked ones in front, and at the back those that were tried and
    /// denied again.
    queue: VecDeque<DeniedStop>,
    /// How many have been taken out of the queue and are being tried.
    being_tried: usize,
    /// When a stop that was tried was last denied again; cleared by the next wait.
    denied_again: Option<Instant>,
    /// Whether a task tries them.
    is_retried: bool,
    /// Whether that task has yet to wait for the first time.
    is_retry_new: bool,
    /// Whether the drain has begun: then nothing is parked any more.
    is_closed: bool,
}

/// A delivery whose stop IAM denied.
#[derive(Debug)]
struct DeniedStop {
    delivery: Delivery,
    history: History,
}

/// Which parked stops are tried next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
    /// As many as fit into one call, because the role works.
    Together { limit: usize },
    /// All that have been parked for this long, each by itself; or if there are none, the first one
    /// of the queue.
    Alone { overdue_after: Duration },
}

impl DeniedStops {
    /// Parks the deliveries of a batch. Returns them if the drain has closed the queue.
    pub(super) fn park(&self, batch: StopBatch) -> Vec<Delivery> {
        let mut parked = self.parked();
        if parked.is_closed {
            return batch.deliveries;
        }
        let was_parked = batch.history.denied_since.is_some();
        let denied_since = batch.history.denied_since.or_else(|| Some(Instant::now()));
        let history = History { denied_since, ..batch.history };
        for delivery in batch.deliveries {
            let stop = DeniedStop { delivery, history };
            if was_parked {
                parked.denied_again = Some(Instant::now());
                parked.being_tried = parked.being_tried.saturating_sub(1);
                parked.queue.push_back(stop);
            } else {
                parked.queue.push_front(stop);
            }
        }
        drop(parked);
        if !was_parked {
            self.newly_parked.notify_one();
        }
        Vec::new()
    }

    /// Whether the task has to be started that tries the parked stops.
    pub(super) fn begin_retrying(&self) -> bool {
        let mut parked = self.parked();
        let begins = !parked.queue.is_empty() && !parked.is_retried;
        if begins {
            parked.is_retried = true;
            parked.is_retry_new = true;
        }
        begins
    }

    /// Whether the task that tries the parked stops has to end, since there are none.
    pub(super) fn end_retrying(&self) -> bool {
        let mut parked = self.parked();
        let ends = parked.queue.is_empty();
        if ends {
            parked.is_retried = false;
        }
        ends
    }

    /// Whether a parked stop was tried and denied again within the last second. Then the other ones
    /// that are being tried need not be: they would be denied as well.
    pub(super) fn were_denied_again(&self) -> bool {
        self.parked().denied_again.is_some_and(|at| at.elapsed() < delays::FIRST_DENIED)
    }

    /// Whether a stop is parked.
    pub(super) fn are_parked(&self) -> bool {
        !self.parked().queue.is_empty()
    }

    /// How many stops are parked or being tried.
    pub(crate) fn count(&self) -> usize {
        let parked = self.parked();
        parked.queue.len() + parked.being_tried
    }

    /// The waits between two tries: from 1 s to 10 s.
    pub(super) fn intervals() -> Intervals {
        Intervals::new(delays::FIRST_DENIED, delays::LONGEST_DENIED)
    }

    /// Waits until it is time to try a stop.
    ///
    /// After a try that was denied again this is the next of `intervals`, and 1 s for the first one
    /// that is parked. After a try that was not denied there is no wait, nor where `need_not_wait`
    /// says so.
    pub(super) async fn until_next_try(
        &self,
        intervals: &mut Intervals,
        need_not_wait: impl Fn() -> bool,
    ) {
        let must_wait = {
            let mut parked = self.parked();
            let is_new = std::mem::take(&mut parked.is_retry_new);
            parked.denied_again.take().is_some() || is_new
        };
        if must_wait && !need_not_wait() {
            self.wait(intervals).await;
        }
    }

    /// Waits for the next interval, or until 1 s after another stop is parked.
    async fn wait(&self, intervals: &mut Intervals) {
        let interval = intervals.advance();
        liveness::within(interval);
        let after_newly_parked = async {
            self.newly_parked.notified().await;
            tokio::time::sleep(delays::FIRST_DENIED).await;
        };
        tokio::select! {
            biased;
            () = tokio::time::sleep(interval) => {}
            () = after_newly_parked => *intervals = Self::intervals(),
        }
    }

    /// Whether a stop has been parked for this long.
    pub(super) fn have_overdue(&self, overdue_after: Duration) -> bool {
        self.parked().queue.iter().any(|stop| stop.is_overdue(overdue_after))
    }

    /// Takes those stops out of the queue that are tried next.
    pub(super) fn take(&self, choice: Choice) -> Vec<StopBatch> {
        let mut parked = self.parked();
        let batches = match choice {
            Choice::Together { limit } => take_together(&mut parked.queue, limit),
            Choice::Alone { overdue_after } => take_alone(&mut parked.queue, overdue_after),
        };
        parked.being_tried += batches.iter().map(|batch| batch.deliveries.len()).sum::<usize>();
        batches
    }

    /// Says that all stops that were taken out have been decided or parked again.
    pub(super) fn end_tries(&self) {
        self.parked().being_tried = 0;
    }

    /// Closes the queue, and returns the parked deliveries.
    pub(super) fn close(&self) -> Vec<Delivery> {
        let mut parked = self.parked();
        parked.is_closed = true;
        parked.queue.drain(..).map(|stop| stop.delivery).collect()
    }

    fn parked(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeniedStop {
    fn is_overdue(&self, overdue_after: Duration) -> bool {
        self.history.denied_since.is_some_and(|since| since.elapsed() >= overdue_after)
    }

    fn alone(self) -> StopBatch {
        StopBatch::unseen(vec![self.delivery], self.history)
    }
}

/// Takes one batch of as many stops as fit into a call. It keeps when the first of them was parked,
/// but not that they were denied: the role could not stop anything then.
fn take_together(queue: &mut VecDeque<DeniedStop>, limit: usize) -> Vec<StopBatch> {
    let taken: Vec<_> = queue.drain(..queue.len().min(limit)).collect();
    let denied_since = taken.iter().filter_map(|stop| stop.history.denied_since).min();
    let deliveries = taken.into_iter().map(|stop| stop.delivery).collect();
    StopBatch::unseen(deliveries, History { denied_since, ..History::default() }).unless_empty()
}

/// Takes each stop that has been parked for `overdue_after`, or else the first one, as batches of
/// one.
fn take_alone(queue: &mut VecDeque<DeniedStop>, overdue_after: Duration) -> Vec<StopBatch> {
    let (overdue, others): (VecDeque<_>, _) =
        queue.drain(..).partition(|stop| stop.is_overdue(overdue_after));
    *queue = others;
    if overdue.is_empty() {
        return queue.pop_front().into_iter().map(DeniedStop::alone).collect();
    }
    overdue.into_iter().map(DeniedStop::alone).collect()
}
