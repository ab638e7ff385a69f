//! Keeps to a share of EC2's token buckets, so that every other tool in the account can work too;
//! and to a number of notices a second (`window`), so that SNS suspends no e-mail subscription; and to a
//! number of stops in a time (`stop_window`).
//!
//! EC2 limits calls for each account and region by token buckets, and throttles whoever finds a
//! bucket empty, whichever tool emptied it. May use [`crate::retry`] and what lies below.

mod back_off;
mod bucket;
pub(crate) mod window;
pub(crate) mod stop_window;
pub(crate) mod loops;
mod limiter;
pub(crate) mod starts;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::aws::error::AwsError;
use crate::retry::attempts::GaveUp;
use crate::retry::backoff::Jitter;
use crate::retry::delays;
use crate::settings::Live;

use back_off::BackOff;
use bucket::Size;
use limiter::Limiter;
pub(crate) use limiter::Permit;

/// EC2's buckets for an account in a region ("Request throttling for the Amazon EC2 API", EC2
/// Developer Guide): describing calls with a filter, StopInstances calls, and the instances in
/// these.
const LOOKS: Size = Size { tokens: 100, per_sec: 20 };
const STOPS: Size = Size { tokens: 50, per_sec: 5 };
const STOPPED_INSTANCES: Size = Size { tokens: 1000, per_sec: 20 };

/// The part of the share of describing calls that sweeps use, as the one of so many.
const SWEEPS: u32 = 4;

/// When the next call to EC2 may start; shared by all tasks of a target.
#[derive(Debug)]
pub(crate) struct RateLimits {
    looks: Arc<Limiter>,
    stops: Arc<Limiter>,
    sweeps: Arc<Limiter>,
    looks_back_off: BackOff,
    stops_back_off: BackOff,
    live: watch::Receiver<Live>,
    drain: CancellationToken,
}

impl RateLimits {
    /// Rate limits with full buckets. Waits end when the drain begins.
    pub(crate) fn new(
        live: watch::Receiver<Live>,
        jitter: Arc<Jitter>,
        drain: CancellationToken,
    ) -> Self {
        let looks_back_off =
            BackOff::new(delays::THROTTLED_LOOK, Arc::clone(&jitter), live.clone());
        let stops_back_off = BackOff::new(Duration::MAX, jitter, live.clone());
        let looks = Arc::new(Limiter::new(&[LOOKS]));
        let stops = Arc::new(Limiter::new(&[STOPS, STOPPED_INSTANCES]));
        let sweeps = Arc::new(Limiter::new(&[LOOKS]));
        Self { looks, stops, sweeps, looks_back_off, stops_back_off, live, drain }
    }

    /// The most instances that one stop can have, if `wanted` are asked for.
    pub(crate) fn most(&self, wanted: usize) -> usize {
        STOPPED_INSTANCES.most(self.share_percent(), wanted)
    }

    /// Waits until EC2 does not throttle describing calls, as far as that is known.
    ///
    /// # Errors
    /// When the drain begins first.
    pub(crate) async fn looks_unthrottled(&self) -> Result<(), GaveUp> {
        self.unless_draining(self.looks_back_off.ended()).await
    }

    /// Waits until the share allows a describing call.
    ///
    /// # Errors
    /// When the drain begins first.
    pub(crate) async fn look(&self) -> Result<Permit, GaveUp> {
        let take = async {
            self.looks_back_off.ended().await;
            self.looks.take(&[1], || self.share_percent()).await
        };
        self.unless_draining(take).await
    }

    /// Waits until a sweep may make so many describing calls: it uses a quarter of the share. Each call
    /// waits for its turn among those for events all the same.
    ///
    /// # Errors
    /// When the drain begins first.
    pub(crate) async fn sweep(&self, calls: usize) -> Result<(), GaveUp> {
        let share = || (self.share_percent() / SWEEPS).max(1);
        self.unless_draining(self.sweeps.take(&[calls], share)).await.map(drop)
    }

    /// Notes how a describing call ended. A throttled one makes the next one wait.
    pub(crate) fn looked(&self, permit: Permit, error: Option<&AwsError>) {
        permit.ended(error);
        self.looks_back_off.note(error);
    }

    /// Waits until the share allows a StopInstances call of so many instances.
    ///
    /// # Errors
    /// When the drain begins first.
    pub(crate) async fn stop(&self, instances: usize) -> Result<Permit, GaveUp> {
        let take = async {
            self.stops_back_off.ended().await;
            self.stops.take(&[1, instances], || self.share_percent()).await
        };
        self.unless_draining(take).await
    }

    /// Notes how a stop ended. EC2 that throttles again and again is used by others too: the next
    /// stop waits, longer each time.
    pub(crate) fn stopped(&self, permit: Option<Permit>, error: Option<&AwsError>) {
        if let Some(permit) = permit {
            permit.ended(error);
        }
        self.stops_back_off.note(error);
    }

    /// For how long EC2 has throttled every describing call, or every stop, if that is so long that
    /// the daemon cannot do its work.
    pub(crate) fn throttled_for(&self) -> Option<Duration> {
        let both = [&self.looks_back_off, &self.stops_back_off];
        let longest = both.into_iter().filter_map(BackOff::throttled_for).max();
        longest.filter(|lasted| *lasted >= delays::NOTHING_BUT_THROTTLED)
    }

    /// A call that need not wait goes on during the drain.
    async fn unless_draining<T>(&self, wait: impl Future<Output = T>) -> Result<T, GaveUp> {
        tokio::select! {
            biased;
            ended = wait => Ok(ended),
            () = self.drain.cancelled() => Err(GaveUp::HandBack),
        }
    }

    fn share_percent(&self) -> u32 {
        self.live.borrow().share_percent
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use tokio::time::Instant;

    use super::*;
    use crate::aws::error::Class;
    use crate::settings::RetrySettings;

    fn rate_limits(share_percent: u32) -> (watch::Sender<Live>, RateLimits) {
        let retry =
            RetrySettings { first: Duration::from_millis(200), cap: Duration::from_secs(10) };
        let (live, followed) =
            watch::channel(Live { retry, share_percent, regions: Vec::new(), policies: None });
        let drain = CancellationToken::new();
        (live, RateLimits::new(followed, Arc::new(Jitter::seeded(1)), drain))
    }

    fn throttled() -> AwsError {
        let (class, code) = (Class::Throttled, "RequestLimitExceeded".into());
        AwsError { class, code, message: String::new() }
    }

    async fn throttle(rate_limits: &RateLimits, instances: usize) {
        let permit = rate_limits.stop(instances).await.unwrap();
        rate_limits.stopped(Some(permit), Some(&throttled()));
    }

    /// How long stops of so many instances each take, one after the other.
    async fn time_for(rate_limits: &RateLimits, stops: &[usize]) -> Duration {
        let began = Instant::now();
        for instances in stops {
            let permit = rate_limits.stop(*instances).await.unwrap();
            rate_limits.stopped(Some(permit), None);
        }
        began.elapsed()
    }

    fn about(secs: u64) -> Range<Duration> {
        Duration::from_millis(secs * 1000 - 100)..Duration::from_millis(secs * 1000 + 300)
    }

    #[tokio::test(start_paused = true)]
    async fn stops_one_by_one_go_on_beyond_the_buckets_until_ec2_throttles() {
        let (_live, rate_limits) = rate_limits(100);
        assert_eq!(time_for(&rate_limits, &[190; 1000]).await, Duration::ZERO);
        throttle(&rate_limits, 1).await;
        assert!(about(10).contains(&time_for(&rate_limits, &[100, 100]).await));
    }

    /// Leaves that are had without waiting.
    async fn free(rate_limits: &RateLimits) -> Vec<Permit> {
        let mut permits = Vec::new();
        while let Ok(permit) = tokio::time::timeout(Duration::ZERO, rate_limits.stop(1000)).await {
            permits.push(permit.unwrap());
        }
        permits
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_stops_go_beyond_before_ec2_has_allowed_any_and_more_afterwards() {
        let (_live, rate_limits) = rate_limits(100);
        let mut permits = free(&rate_limits).await;
        assert_eq!(permits.len(), 1 + 4);
        rate_limits.stopped(permits.pop(), None);
        assert_eq!(free(&rate_limits).await.len(), 1 + 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_that_ec2_does_not_answer_lets_no_more_go_beyond() {
        let (_live, rate_limits) = rate_limits(100);
        let mut permits = free(&rate_limits).await;
        let failure = AwsError { class: Class::Unknown, ..throttled() };
        rate_limits.stopped(permits.pop(), Some(&failure));
        drop(permits.pop());
        assert_eq!(free(&rate_limits).await.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_share_is_free_again_60_s_after_the_last_throttled_answer() {
        let (_live, rate_limits) = rate_limits(100);
        throttle(&rate_limits, 1).await;
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert_eq!(time_for(&rate_limits, &[1000]).await, Duration::ZERO);
        assert!(time_for(&rate_limits, &[100]).await >= Duration::from_secs(1));
        assert_eq!(time_for(&rate_limits, &[190; 1000]).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_throttled_answer_one_stop_goes_beyond_and_one_more_for_each_that_is_allowed() {
        let (_live, rate_limits) = rate_limits(100);
        throttle(&rate_limits, 1).await;
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(time_for(&rate_limits, &[1000]).await, Duration::ZERO);
        let beyond = rate_limits.stop(100).await.unwrap();
        let (waited, ()) = tokio::join!(time_for(&rate_limits, &[100, 100, 100]), async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            rate_limits.stopped(Some(beyond), None);
        });
        assert_eq!(waited, Duration::from_millis(150));
        let began = Instant::now();
        let mut tries = Vec::new();
        for _ in 0..5 {
            tries.push(rate_limits.stop(100).await.unwrap());
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        let waited = time_for(&rate_limits, &[100]).await;
        assert!(waited > Duration::from_secs(4), "a sixth went after {waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_stop_alone_tries_whether_ec2_throttles_still() {
        let (_live, rate_limits) = rate_limits(100);
        throttle(&rate_limits, 1).await;
        tokio::time::sleep(Duration::from_secs(61)).await;
        let _in_bounds = rate_limits.stop(1000).await.unwrap();
        let _beyond = rate_limits.stop(1000).await.unwrap();
        assert!(time_for(&rate_limits, &[100]).await > Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_smaller_share_binds_always() {
        let (_live, rate_limits) = rate_limits(50);
        assert_eq!(time_for(&rate_limits, &[100; 5]).await, Duration::ZERO);
        assert!(about(10).contains(&time_for(&rate_limits, &[100]).await));
        let looks = Instant::now();
        for _ in 0..60 {
            rate_limits.look().await.unwrap();
        }
        assert!(about(1).contains(&looks.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_limited_too() {
        let (_live, rate_limits) = rate_limits(10);
        assert!(about(10).contains(&time_for(&rate_limits, &[1; 10]).await));
    }

    #[tokio::test(start_paused = true)]
    async fn no_stop_is_larger_than_the_bucket() {
        let (_live, rate_limits) = rate_limits(1);
        assert_eq!(rate_limits.most(190), 10);
        assert!(about(50).contains(&time_for(&rate_limits, &[190, 190]).await));
        let (_live, rate_limits) = self::rate_limits(100);
        assert_eq!(rate_limits.most(190), 190);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_makes_five_calls_a_second_and_leaves_the_rest_to_events() {
        let (_live, rate_limits) = rate_limits(100);
        let began = Instant::now();
        for _ in 0..75 {
            rate_limits.sweep(1).await.unwrap();
        }
        assert!(about(10).contains(&began.elapsed()), "{:?}", began.elapsed());
        let began = Instant::now();
        for _ in 0..100 {
            rate_limits.look().await.unwrap();
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_back_off_wastes_no_refill() {
        let (_live, rate_limits) = rate_limits(100);
        for _ in 0..20 {
            throttle(&rate_limits, 1).await;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(time_for(&rate_limits, &[100, 100]).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_that_changes_counts_at_once() {
        let (live, rate_limits) = rate_limits(1);
        rate_limits.stop(10).await.unwrap();
        let (waited, ()) = tokio::join!(time_for(&rate_limits, &[10]), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            live.send_modify(|live| live.share_percent = 100);
        });
        assert!(waited < Duration::from_secs(5), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_ends_a_wait_and_lets_pass_who_need_not_wait() {
        let (_live, rate_limits) = rate_limits(1);
        rate_limits.drain.cancel();
        assert!(rate_limits.stop(10).await.is_ok());
        assert_eq!(rate_limits.stop(10).await.err(), Some(GaveUp::HandBack));
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_looks_are_tried_every_second_or_two_for_as_long_as_it_lasts() {
        let (_live, rate_limits) = rate_limits(100);
        for _ in 0..100 {
            let began = Instant::now();
            let permit = rate_limits.look().await.unwrap();
            assert!(began.elapsed() < Duration::from_millis(1_100), "{:?}", began.elapsed());
            rate_limits.looked(permit, Some(&throttled()));
        }
        let began = Instant::now();
        rate_limits.looks_unthrottled().await.unwrap();
        let permit = rate_limits.look().await.unwrap();
        rate_limits.looked(permit, None);
        rate_limits.look().await.unwrap();
        assert!(began.elapsed() < Duration::from_millis(1_200), "{:?}", began.elapsed());
    }
}
