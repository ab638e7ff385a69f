//! Calls of one kind, and whether they must keep to the buckets that EC2 documents.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::{Bucket, Size};
use crate::alive;

/// The whole of the buckets binds so long after the last throttled answer.
const MEMORY: Duration = Duration::from_mins(1);
/// A wait is looked at so often whether it is still needed: the share may have changed.
const RECHECK: Duration = Duration::from_secs(1);

/// Calls of one kind, which wait one behind the other, and the buckets that they draw from.
#[derive(Debug)]
pub struct Lane {
    turn: tokio::sync::Mutex<()>,
    bound: Mutex<Bound>,
    buckets: Vec<Bucket>,
}

/// Whether the whole of the buckets binds.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// EC2 allows more, as far as anybody knows.
    No,
    /// EC2 throttled.
    Since(Instant),
    /// One call tries whether EC2 still does: all at once would be throttled together.
    Tried(Instant),
}

impl Lane {
    /// A lane with full buckets.
    pub fn of(sizes: &[Size]) -> Self {
        let buckets = sizes.iter().map(|size| Bucket::full(*size)).collect();
        Self { turn: tokio::sync::Mutex::default(), bound: Mutex::new(Bound::No), buckets }
    }

    /// Waits until there is enough in each bucket, in the order of asking, and takes it.
    pub async fn take(&self, costs: &[usize], share_percent: impl Fn() -> u32) {
        // Whoever is in front says how long that takes.
        alive::idle();
        let _turn = self.turn.lock().await;
        for (bucket, cost) in self.buckets.iter().zip(costs) {
            loop {
                let share_percent = share_percent();
                if !self.binds(share_percent) {
                    return;
                }
                let Err(wait) = bucket.take(*cost, share_percent) else { break };
                let wait = wait.min(RECHECK);
                alive::within(wait);
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Notes a throttled answer: nothing is in the buckets.
    pub fn throttled(&self) {
        *self.bound() = Bound::Since(Instant::now());
        self.buckets.iter().for_each(Bucket::empty);
    }

    /// Notes an answer that was not throttled.
    pub fn allowed(&self) {
        let mut bound = self.bound();
        if let Bound::Tried(_) = *bound {
            *bound = Bound::No;
        }
    }

    /// Whether the caller must find enough in the buckets.
    fn binds(&self, share_percent: u32) -> bool {
        if share_percent < 100 {
            return true;
        }
        let mut bound = self.bound();
        match *bound {
            Bound::No => false,
            Bound::Since(at) | Bound::Tried(at) if at.elapsed() < MEMORY => true,
            Bound::Since(_) | Bound::Tried(_) => {
                *bound = Bound::Tried(Instant::now());
                false
            }
        }
    }

    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
