//! One of EC2's token buckets, or the share of it that the daemon may use.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>;

/// A share of everything, in percent.
const WHOLE: u32 = 100;

/// The size of a token bucket as EC2 documents it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Tokens in a full bucket.
    pub(super) tokens: u32,
    /// Tokens that come back each second, until the bucket is full.
    pub(super) per_sec: u32,
}

/// The tokens of a bucket as this process knows them: what other tools in the account take shows
/// only in throttled answers.
#[derive(Debug)]
pub(super) struct Bucket {
    size: Size,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    share_percent: u32,
    limiter: Limiter,
}

impl Size {
    /// The most tokens that can be taken at once, if `wanted` are asked for.
    pub(super) fn most(self, share_percent: u32, wanted: usize) -> usize {
        let all = if share_percent == WHOLE { u32::MAX } else { self.burst(share_percent).get() };
        wanted.min(all as usize)
    }

    fn burst(self, share_percent: u32) -> NonZeroU32 {
        NonZeroU32::new(self.tokens * share_percent / WHOLE).unwrap_or(NonZeroU32::MIN)
    }

    fn limiter(self, share_percent: u32) -> Limiter {
        let every = Duration::from_secs(WHOLE.into()) / (self.per_sec * share_percent).max(1);
        let quota = Quota::with_period(every).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let quota = quota.allow_burst(self.burst(share_percent));
        RateLimiter::direct_with_clock(quota, TokioClock(Instant::now()))
    }
}

impl Bucket {
    /// A full bucket.
    pub(super) fn full(size: Size) -> Self {
        let limiter = size.limiter(100);
        Self { size, level: Mutex::new(Level { share_percent: 100, limiter }) }
    }

    /// Takes `cost` tokens; a cost above the share of a full bucket takes all of that.
    ///
    /// # Errors
    /// How long it takes until so many are there; nothing is taken.
    pub(super) fn take(&self, cost: usize, share_percent: u32) -> Result<(), Duration> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        level.follow(self.size, share_percent);
        let burst = self.size.burst(share_percent);
        let cost = u32::try_from(cost.max(1)).ok().and_then(NonZeroU32::new).unwrap_or(burst);
        match level.limiter.check_n(cost.min(burst)) {
            Ok(Err(until)) => Err(until.wait_time_from(level.limiter.clock().now())),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Notes that EC2 says it is empty.
    pub(super) fn empty(&self) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        level.limiter = self.size.limiter(level.share_percent);
        level.limiter.check_n(self.size.burst(level.share_percent)).ok();
    }
}

impl Level {
    /// Another share begins with a full bucket; if that is too much, EC2 says so.
    fn follow(&mut self, size: Size, share_percent: u32) {
        if self.share_percent != share_percent {
            self.share_percent = share_percent;
            self.limiter = size.limiter(share_percent);
        }
    }
}

/// Tokio's clock, which tests can pause, since an origin.
#[derive(Clone, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
