//! The queue of stops that IAM denied.
//!
//! Either the role is broken, or a guard in its policy keeps it from single instances. Only tries of
//! single instances can tell the two apart, so all others are parked here meanwhile.

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

/// Where the denied stops of a target are parked.
#[derive(Debug, Default)]
pub(crate) struct DeniedStops {
    parked: Mutex<Parked>,
    newcomers: Notify,
}

#[derive(Debug, Default)]
struct Parked {
    /// Newcomers in front: each may be one that the role can stop.
    queue: VecDeque<DeniedStop>,
    /// How many were taken out to be tried.
    trying: usize,
    /// When one that was tried last came back, since the last wait.
    came_back: Option<Instant>,
    is_closed: bool,
}

#[derive(Debug)]
struct DeniedStop {
    delivery: Delivery,
    history: History,
}

/// Which parked stops are tried next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
    /// The role works: as many as fit into one call.
    Together { limit: usize },
    /// Each one alone that has been parked for this long, or else a single one.
    Alone { overdue_after: Duration },
}

impl DeniedStops {
    /// Parks a batch. Once the drain has closed the queue, its deliveries come back.
    pub(super) fn park(&self, batch: StopBatch) -> Vec<Delivery> {
        let mut parked = self.parked();
        if parked.is_closed {
            return batch.deliveries;
        }
        let was_here = batch.history.denied_since.is_some();
        let denied_since = batch.history.denied_since.or_else(|| Some(Instant::now()));
        let history = History { denied_since, ..batch.history };
        for delivery in batch.deliveries {
            let stop = DeniedStop { delivery, history };
            if was_here {
                parked.came_back = Some(Instant::now());
                parked.trying = parked.trying.saturating_sub(1);
                parked.queue.push_back(stop);
            } else {
                parked.queue.push_front(stop);
            }
        }
        drop(parked);
        if !was_here {
            self.newcomers.notify_one();
        }
        Vec::new()
    }

    /// Whether a parked stop was denied again a moment ago: the others that are being tried, as they
    /// are one after the other while StopInstances is paused, will fare no better.
    pub(super) fn were_denied_again(&self) -> bool {
        self.parked().came_back.is_some_and(|at| at.elapsed() < delays::FIRST_DENIED)
    }

    /// Whether a stop is parked.
    pub(super) fn are_parked(&self) -> bool {
        !self.parked().queue.is_empty()
    }

    /// How many stops are parked or being tried; zero only when the last one is decided.
    pub(crate) fn count(&self) -> usize {
        let parked = self.parked();
        parked.queue.len() + parked.trying
    }

    /// How long the task that tries parked stops waits at first, and at most.
    pub(super) fn intervals() -> Intervals {
        Intervals::new(delays::FIRST_DENIED, delays::LONGEST_DENIED)
    }

    /// Waits until a stop is to be tried: only a moment for a newcomer, and not at all after a try
    /// that denied nothing, or once `can_decide` says that trying will tell.
    pub(super) async fn until_next_try(
        &self,
        intervals: &mut Intervals,
        can_decide: impl Fn() -> bool,
    ) {
        let mut must_wait = self.parked().came_back.take().is_some();
        while !self.are_parked() {
            liveness::idle();
            self.newcomers.notified().await;
            *intervals = Self::intervals();
            must_wait = true;
        }
        if must_wait && !can_decide() {
            self.wait(intervals).await;
        }
    }

    async fn wait(&self, intervals: &mut Intervals) {
        let interval = intervals.advance();
        liveness::within(interval);
        let newcomer = async {
            self.newcomers.notified().await;
            tokio::time::sleep(delays::FIRST_DENIED).await;
        };
        tokio::select! {
            biased;
            () = tokio::time::sleep(interval) => {}
            () = newcomer => *intervals = Self::intervals(),
        }
    }

    /// Whether a parked stop has been tried for this long.
    pub(super) fn have_overdue(&self, overdue_after: Duration) -> bool {
        self.parked().queue.iter().any(|stop| stop.is_overdue(overdue_after))
    }

    /// Takes the stops out of the queue that are tried next.
    pub(super) fn take(&self, choice: Choice) -> Vec<StopBatch> {
        let mut parked = self.parked();
        let batches = match choice {
            Choice::Together { limit } => take_together(&mut parked.queue, limit),
            Choice::Alone { overdue_after } => take_alone(&mut parked.queue, overdue_after),
        };
        parked.trying += batches.iter().map(|batch| batch.deliveries.len()).sum::<usize>();
        batches
    }

    /// Notes that nothing is being tried any more.
    pub(super) fn end_round(&self) {
        self.parked().trying = 0;
    }

    /// Closes the queue, and gives what is in it.
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

/// One batch of all. That single ones were denied before need not be true of the batch.
fn take_together(queue: &mut VecDeque<DeniedStop>, limit: usize) -> Vec<StopBatch> {
    let taken: Vec<_> = queue.drain(..queue.len().min(limit)).collect();
    let denied_since = taken.iter().filter_map(|stop| stop.history.denied_since).min();
    let deliveries = taken.into_iter().map(|stop| stop.delivery).collect();
    StopBatch::unseen(deliveries, History { denied_since, ..History::default() }).if_any()
}

fn take_alone(queue: &mut VecDeque<DeniedStop>, overdue_after: Duration) -> Vec<StopBatch> {
    let (overdue, others): (VecDeque<_>, _) =
        queue.drain(..).partition(|stop| stop.is_overdue(overdue_after));
    *queue = others;
    if overdue.is_empty() {
        return queue.pop_front().into_iter().map(DeniedStop::alone).collect();
    }
    overdue.into_iter().map(DeniedStop::alone).collect()
}
