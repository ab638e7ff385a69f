//! Calls of one kind, which keep to the buckets that EC2 documents, or feel their way beyond them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::bucket::{Bucket, Size};
use crate::retry::delays;
use crate::runtime::liveness;

/// Calls of one kind, which wait one behind the other, and the buckets that they draw from.
#[derive(Debug)]
pub struct Limiter {
    turn: tokio::sync::Mutex<()>,
    beyond: Mutex<Probing>,
    allowed: Notify,
    buckets: Vec<Bucket>,
}

/// Whether EC2 may allow more than is in the buckets: an account can have larger ones.
#[derive(Clone, Copy, Debug)]
enum Probing {
    /// So many calls try, and so many may: a few at first, since all at once would be throttled
    /// together, and `step` more for each that EC2 allowed.
    Open { tries: usize, most: usize, step: usize },
    /// EC2 throttled.
    Throttled(Instant),
}

/// EC2 has never throttled.
const UNTHROTTLED: Probing = Probing::Open { tries: 0, most: 4, step: 4 };
/// EC2 throttled, a while ago.
const UNTRIED: Probing = Probing::Open { tries: 0, most: 1, step: 1 };

/// What allows a single call. Whoever got it says what EC2 said to the call; dropped, it says that
/// EC2 was not asked, did not answer, or refused for a reason of another kind.
#[derive(Debug)]
pub struct Permit {
    lane: Arc<Limiter>,
    goes_beyond: bool,
}

impl Limiter {
    /// A lane with full buckets.
    pub fn of(sizes: &[Size]) -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            beyond: Mutex::new(UNTHROTTLED),
            allowed: Notify::new(),
            buckets: sizes.iter().map(|size| Bucket::full(*size)).collect(),
        }
    }

    /// Waits until there is enough in each bucket, in the order of asking, and takes it; or goes
    /// beyond the buckets, if that may be tried and the share is the whole.
    pub async fn take(
        self: &Arc<Self>,
        costs: &[usize],
        share_percent: impl Fn() -> u32,
    ) -> Permit {
        let permit = |goes_beyond| Permit { lane: Arc::clone(self), goes_beyond };
        // Whoever is in front says how long that takes.
        liveness::idle();
        let _turn = self.turn.lock().await;
        for (bucket, cost) in self.buckets.iter().zip(costs) {
            while let Err(wait) = bucket.take(*cost, share_percent()) {
                if share_percent() == 100 && self.goes_beyond() {
                    return permit(true);
                }
                let wait = wait.min(delays::TOKEN_RECHECK);
                liveness::within(wait);
                tokio::time::timeout(wait, self.allowed.notified()).await.ok();
            }
        }
        permit(false)
    }

    /// Whether the caller may go beyond the buckets.
    fn goes_beyond(&self) -> bool {
        let mut beyond = self.beyond();
        if let Probing::Throttled(at) = *beyond
            && at.elapsed() >= delays::THROTTLE_MEMORY
        {
            *beyond = UNTRIED;
        }
        let Probing::Open { tries, most, .. } = &mut *beyond else { return false };
        let may = *tries < *most;
        *tries += usize::from(may);
        may
    }

    fn beyond(&self) -> MutexGuard<'_, Probing> {
        self.beyond.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Notes an answer: if this call went beyond the buckets, more may try.
    pub fn allowed(self) {
        if self.goes_beyond
            && let Probing::Open { most, step, .. } = &mut *self.lane.beyond()
        {
            *most = most.saturating_add(*step);
        }
    }

    /// Notes a throttled answer: nothing is in the buckets.
    pub fn throttled(self) {
        *self.lane.beyond() = Probing::Throttled(Instant::now());
        self.lane.buckets.iter().for_each(Bucket::empty);
    }
}

impl Drop for Permit {
    /// Another one may try.
    fn drop(&mut self) {
        if !self.goes_beyond {
            return;
        }
        if let Probing::Open { tries, .. } = &mut *self.lane.beyond() {
            *tries = tries.saturating_sub(1);
        }
        self.lane.allowed.notify_one();
    }
}
