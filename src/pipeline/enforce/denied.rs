//! Stops that the role was denied, waiting aside: whether the role is broken or a guard keeps it
//! from a single instance, only tries of single instances can tell.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::warn;

use crate::pipeline::delivery::Delivery;
use crate::pipeline::enforce::Enforcer;
use crate::pipeline::enforce::batch::{History, StopBatch};
use crate::retry::backoff::Intervals;
use crate::runtime::liveness;

/// The first wait between two tries; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Where the violators of a region wait while the role may not stop them.
#[derive(Debug, Default)]
pub struct DeniedStops {
    waiting: Mutex<Waiting>,
    newcomers: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Newcomers in front: each may be one that the role can stop.
    line: VecDeque<Denied>,
    /// How many are out of the line, being tried.
    trying: usize,
    /// When somebody who was tried last came back, since the last wait.
    came_back: Option<Instant>,
    closed: bool,
}

#[derive(Debug)]
struct Denied {
    delivery: Delivery,
    history: History,
}

impl DeniedStops {
    /// Lets violators wait; once the drain has closed this, they come back.
    pub fn admit(&self, deliveries: Vec<Delivery>, history: History) -> Vec<Delivery> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return deliveries;
        }
        let was_here = history.denied_since.is_some();
        let since = history.denied_since.or_else(|| Some(Instant::now()));
        let history = History { denied_since: since, ..history };
        for delivery in deliveries {
            let denied = Denied { delivery, history };
            if was_here {
                waiting.came_back = Some(Instant::now());
                waiting.trying = waiting.trying.saturating_sub(1);
                waiting.line.push_back(denied);
            } else {
                waiting.line.push_front(denied);
            }
        }
        drop(waiting);
        if !was_here {
            self.newcomers.notify_one();
        }
        Vec::new()
    }

    /// Whether somebody who waited was denied again a moment ago: the others that are being tried,
    /// as they are one after the other while stops pause, will fare no better.
    pub fn were_denied_again(&self) -> bool {
        self.waiting().came_back.is_some_and(|at| at.elapsed() < FIRST_WAIT)
    }

    /// Whether somebody waits.
    pub fn are_pending(&self) -> bool {
        !self.waiting().line.is_empty()
    }

    /// How many wait or are being tried: some, from the first denial to the last.
    pub fn count(&self) -> usize {
        let waiting = self.waiting();
        waiting.line.len() + waiting.trying
    }

    /// Tries on, on behalf of all who wait, until the drain.
    pub async fn run(self: Arc<Self>, enforcer: Arc<Enforcer>) {
        let mut intervals = Intervals::new(FIRST_WAIT, LONGEST_WAIT);
        let drain = enforcer.drain.clone();
        while drain.run_until_cancelled(self.wait(&mut intervals, &enforcer)).await.is_some() {
            let groups = self.next(&enforcer);
            let waiting = self.count();
            warn!(
                region = %enforcer.region,
                waiting,
                refused_after_secs = enforcer.denial_timeout.as_secs(),
                "the role may not stop these instances; grant ec2:StopInstances"
            );
            let more = || self.next(&enforcer);
            enforcer.contained("denied_stops", groups, &more).await;
            self.waiting().trying = 0;
        }
        enforcer.hand_back(self.close());
    }

    /// Waits until somebody is to be tried: for a newcomer only a moment, and not at all after one
    /// who need not be stopped any more.
    async fn wait(&self, intervals: &mut Intervals, enforcer: &Enforcer) {
        let mut must_wait = self.waiting().came_back.take().is_some();
        while !self.are_pending() {
            liveness::idle();
            self.newcomers.notified().await;
            *intervals = Intervals::new(FIRST_WAIT, LONGEST_WAIT);
            must_wait = true;
        }
        if !must_wait || self.overdue(enforcer) || enforcer.is_proven() {
            return;
        }
        let interval = intervals.advance();
        liveness::within(interval);
        let newcomer = async {
            self.newcomers.notified().await;
            tokio::time::sleep(FIRST_WAIT).await;
        };
        tokio::select! {
            biased;
            () = tokio::time::sleep(interval) => {}
            () = newcomer => *intervals = Intervals::new(FIRST_WAIT, LONGEST_WAIT),
        }
    }

    /// Takes those out of the line who are tried next.
    fn next(&self, enforcer: &Enforcer) -> Vec<StopBatch> {
        let mut waiting = self.waiting();
        let groups = choose(&mut waiting.line, enforcer);
        waiting.trying += groups.iter().map(|group| group.deliveries.len()).sum::<usize>();
        groups
    }

    fn overdue(&self, enforcer: &Enforcer) -> bool {
        self.waiting().line.iter().any(|denied| enforcer.is_overdue(&denied.history))
    }

    fn close(&self) -> Vec<Delivery> {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.line.drain(..).map(|denied| denied.delivery).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Denied {
    fn alone(self) -> StopBatch {
        StopBatch::unseen(vec![self.delivery], self.history)
    }
}

/// Who is tried next: all of them once the role is known to work, otherwise those whose time
/// is up, one by one, or else a single one.
fn choose(line: &mut VecDeque<Denied>, enforcer: &Enforcer) -> Vec<StopBatch> {
    if enforcer.is_proven() {
        let count = line.len().min(enforcer.rate_limits.most(enforcer.batch));
        return together(line.drain(..count).collect());
    }
    let is_overdue = |denied: &Denied| enforcer.is_overdue(&denied.history);
    let (overdue, others): (VecDeque<_>, _) = line.drain(..).partition(is_overdue);
    *line = others;
    if overdue.is_empty() {
        return line.pop_front().into_iter().map(Denied::alone).collect();
    }
    overdue.into_iter().map(Denied::alone).collect()
}

/// One group of all; what denials the single ones had before need not be true of the group.
fn together(denied: Vec<Denied>) -> Vec<StopBatch> {
    let since = denied.iter().filter_map(|one| one.history.denied_since).min();
    let history = History { denied_since: since, ..History::default() };
    let deliveries: Vec<_> = denied.into_iter().map(|denied| denied.delivery).collect();
    if deliveries.is_empty() { Vec::new() } else { vec![StopBatch::unseen(deliveries, history)] }
}
