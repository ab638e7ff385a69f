//! Limits calls of one kind to EC2's documented token buckets, and tries whether EC2 allows more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::bucket::{Bucket, Size};
use crate::aws::error::{AwsError, Class};
use crate::retry::delays;
use crate::runtime::liveness;

/// Limits calls of one kind, which draw from the same buckets. Tasks wait one behind the other.
#[derive(Debug)]
pub(super) struct Limiter {
    turn: tokio::sync::Mutex<()>,
    excess: Mutex<Excess>,
    /// Signalled when a call beyond the buckets has ended, so that another may be tried.
    excess_ended: Notify,
    buckets: Vec<Bucket>,
}

/// Whether calls may go beyond the documented buckets: an account can have larger ones.
#[derive(Clone, Copy, Debug)]
enum Excess {
    /// `in_flight` calls are trying, and `most` may: a few at first, since all at once would be
    /// throttled together, and `step` more for each that EC2 allowed.
    Allowed { in_flight: usize, most: usize, step: usize },
    /// EC2 throttled a call at this time: none may for a while.
    Forbidden { since: Instant },
}

/// EC2 has never throttled a call of this process.
const NEVER_THROTTLED: Excess = Excess::Allowed { in_flight: 0, most: 4, step: 4 };
/// EC2 throttled a call, a while ago.
const THROTTLED_BEFORE: Excess = Excess::Allowed { in_flight: 0, most: 1, step: 1 };

/// The right to one call. Whoever has it says with [`Permit::ended`] what EC2 answered; dropped
/// without that, nothing is learned from it.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    is_in_excess: bool,
}

impl Limiter {
    /// A limiter with full buckets of these sizes.
    pub(super) fn new(sizes: &[Size]) -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            excess: Mutex::new(NEVER_THROTTLED),
            excess_ended: Notify::new(),
            buckets: sizes.iter().map(|size| Bucket::full(*size)).collect(),
        }
    }

    /// Waits until each bucket holds its cost, in the order of asking, and takes the tokens. At a
    /// share of 100 percent a call may go beyond the buckets instead, if that may be tried.
    pub(super) async fn take(
        self: &Arc<Self>,
        costs: &[usize],
        share_percent: impl Fn() -> u32,
    ) -> Permit {
        let permit = |is_in_excess| Permit { limiter: Arc::clone(self), is_in_excess };
        // The task in front of the line says how long it waits.
        liveness::idle();
        let _turn = self.turn.lock().await;
        for (bucket, cost) in self.buckets.iter().zip(costs) {
            while let Err(wait) = bucket.take(*cost, share_percent()) {
                if share_percent() == 100 && self.begin_excess() {
                    return permit(true);
                }
                let wait = wait.min(delays::TOKEN_RECHECK);
                liveness::within(wait);
                tokio::time::timeout(wait, self.excess_ended.notified()).await.ok();
            }
        }
        permit(false)
    }

    /// Whether the caller may go beyond the buckets.
    fn begin_excess(&self) -> bool {
        let mut excess = self.excess();
        if let Excess::Forbidden { since } = *excess
            && since.elapsed() >= delays::THROTTLE_MEMORY
        {
            *excess = THROTTLED_BEFORE;
        }
        let Excess::Allowed { in_flight, most, .. } = &mut *excess else { return false };
        let may = *in_flight < *most;
        *in_flight += usize::from(may);
        may
    }

    /// Empties the buckets, and keeps all calls within them for a while.
    fn throttled(&self) {
        *self.excess() = Excess::Forbidden { since: Instant::now() };
        self.buckets.iter().for_each(Bucket::empty);
    }

    fn excess(&self) -> MutexGuard<'_, Excess> {
        self.excess.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Notes how the call ended: after success more calls may go beyond the buckets, if this one
    /// did; after a throttled call none may. An error of another kind says nothing about buckets.
    pub(crate) fn ended(self, error: Option<&AwsError>) {
        match error {
            None if self.is_in_excess => {
                if let Excess::Allowed { most, step, .. } = &mut *self.limiter.excess() {
                    *most = most.saturating_add(*step);
                }
            }
            Some(error) if error.class == Class::Throttled => self.limiter.throttled(),
            _ => {}
        }
    }
}

impl Drop for Permit {
    /// Lets another call go beyond the buckets in place of this one.
    fn drop(&mut self) {
        if !self.is_in_excess {
            return;
        }
        if let Excess::Allowed { in_flight, .. } = &mut *self.limiter.excess() {
            *in_flight = in_flight.saturating_sub(1);
        }
        self.limiter.excess_ended.notify_one();
    }
}
