//! When to try again: the intervals of the one retry layer, and their jitter.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backoff::backoff::Backoff as _;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

use crate::retry::delays;

/// Doubling intervals up to a cap.
#[derive(Debug)]
pub struct Intervals(ExponentialBackoff);

impl Intervals {
    /// Starts at `first` and ends at `cap`, for ever.
    pub fn new(first: Duration, cap: Duration) -> Self {
        // Without randomization: the crate's own reads a source that no seed reaches.
        let intervals = ExponentialBackoffBuilder::new()
            .with_initial_interval(first)
            .with_max_interval(cap)
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        Self(intervals)
    }

    /// Lets the next interval and those after it follow another cap.
    pub fn up_to(&mut self, cap: Duration) -> &mut Self {
        self.0.max_interval = cap;
        self.0.current_interval = self.0.current_interval.min(cap);
        self
    }

    /// The next interval.
    pub fn advance(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(self.0.max_interval)
    }
}

/// How long to return a message that will soon be wanted again: 10 s, doubling with each
/// receive, at most 15 min, so that no outage sends it to the dead-letter queue.
pub fn short_delay(receives: u32) -> Duration {
    let doublings = receives.saturating_sub(1).min(16);
    (delays::FIRST_RETRY * 2_u32.pow(doublings)).min(delays::LONGEST_RETRY)
}

/// Spreads what would otherwise happen all at once; seeded, so that a run can be repeated.
#[derive(Debug)]
pub struct Jitter(Mutex<fastrand::Rng>);

impl Jitter {
    /// Jitter that repeats itself for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// Full jitter: anything from nothing to `interval`.
    pub fn full(&self, interval: Duration) -> Duration {
        interval.mul_f64(self.fraction())
    }

    /// How long to return a message that was received `receives` times: 10 s, doubling with
    /// each receive, at most 15 min, give or take 20 %.
    pub fn retry_delay(&self, receives: u32) -> Duration {
        short_delay(receives).mul_f64(0.8 + 0.4 * self.fraction()).min(delays::LONGEST_RETRY)
    }

    /// How long to return a message whose account and region cannot take it: 15 min, doubling with
    /// each receive, at most 4 h, give or take 20 %. So a day costs it ten receives.
    pub fn long_delay(&self, receives: u32) -> Duration {
        let doublings = receives.saturating_sub(1).min(16);
        let delay = (delays::TARGET_HELD_UP * 2_u32.pow(doublings)).min(delays::LONGEST_HELD_UP);
        delay.mul_f64(0.8 + 0.4 * self.fraction())
    }

    /// A number below `count`; 0 if there is none.
    pub fn below(&self, count: usize) -> usize {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if count == 0 { 0 } else { rng.usize(..count) }
    }

    fn fraction(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_up_to_the_cap() {
        let mut intervals = Intervals::new(Duration::from_millis(200), Duration::from_secs(10));
        let seen: Vec<u128> = (0..8).map(|_| intervals.advance().as_millis()).collect();
        assert_eq!(seen, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn intervals_follow_another_cap_from_where_they_are() {
        let mut intervals = Intervals::new(Duration::from_millis(200), Duration::from_millis(300));
        let mut under = |cap: u64| {
            let cap = Duration::from_millis(cap);
            [(); 3].map(|()| intervals.up_to(cap).advance().as_millis())
        };
        assert_eq!(under(300), [200, 300, 300]);
        assert_eq!(under(5000), [300, 600, 1200]);
        assert_eq!(under(1000), [1000, 1000, 1000]);
    }

    #[test]
    fn returns_double_with_each_receive_within_their_jitter() {
        let jitter = Jitter::seeded(1);
        for (receives, secs) in [(1, 10.0), (2, 20.0), (5, 160.0)] {
            let delay = jitter.retry_delay(receives).as_secs_f64();
            assert!((secs * 0.8..=secs * 1.2).contains(&delay), "{receives}: {delay}");
        }
        assert!(jitter.retry_delay(u32::MAX) <= delays::LONGEST_RETRY);
    }
}
