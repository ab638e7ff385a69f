//! Thousands of violators at once, with EC2's token buckets: how fast they are stopped, and that a
//! smaller share leaves the rest of the buckets to others.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Fault, Launch, Options, Outcome, Rule};
use ec2_policy_enforcer::settings::Live;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::world::World;

/// The bucket of stopped instances that EC2 documents: its size, and its refill in a second.
const BURST: usize = 1_000;
const PER_SEC: usize = 20;

/// A world with this many violators, which run before the daemon starts, and the usual latencies.
fn storm(violators: usize) -> World {
    let world =
        World::with(Options { token_buckets: true, ..Options::default() }).with_usual_latencies();
    for _ in 0..violators {
        world.aws.launch(Launch::default());
    }
    world
}

/// A storm with a long visibility timeout, so that an outage of minutes, in which thousands of
/// messages are held, has few renewals to play.
fn storm_under_long_leases(violators: usize, share_percent: &str) -> World {
    storm(violators)
        .set("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", "600")
        .set("ENFORCER_RATE_LIMIT__SHARE_PERCENT", share_percent)
}

/// Waits until this many instances are stopped, and returns how long that took.
async fn stopped(world: &World, count: usize) -> Duration {
    let began = Instant::now();
    while instances_stopped(world) < count {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(began.elapsed() < Duration::from_mins(10), "{}", instances_stopped(world));
    }
    began.elapsed()
}

fn instances_stopped(world: &World) -> usize {
    world.aws.calls("StopInstances").iter().map(|call| call.stopped.len()).sum()
}

fn throttled(world: &World) -> usize {
    let limit = Outcome::Failed { code: "RequestLimitExceeded".into() };
    world.aws.ledger().iter().filter(|call| call.result == limit).count()
}

/// The most tokens that were missing from a bucket at any time, if each call takes its cost and the
/// bucket is refilled at this rate.
fn deepest(calls: &[Call], cost: impl Fn(&Call) -> f64, per_sec: f64) -> f64 {
    let (mut taken, mut deepest, mut last) = (0.0_f64, 0.0_f64, None);
    for call in calls {
        let since = last.map_or(Duration::ZERO, |last| call.at - last);
        taken = (taken - since.as_secs_f64() * per_sec).max(0.0) + cost(call);
        deepest = deepest.max(taken);
        last = Some(call.at);
    }
    deepest
}

#[tokio::test(start_paused = true)]
async fn what_the_buckets_hold_is_stopped_within_a_second() {
    let mut world = storm(BURST).started();
    let took = stopped(&world, BURST).await;
    assert!(took <= Duration::from_secs(1), "{took:?}");
    world.all_settled().await;
    world.drain().await;
    assert_eq!(throttled(&world), 0);
    assert_eq!(world.aws.notices().len(), BURST);
}

#[tokio::test(start_paused = true)]
async fn a_larger_storm_takes_hardly_longer_than_the_buckets_must_have() {
    let mut world = storm(3 * BURST).started();
    let took = stopped(&world, 3 * BURST).await;
    let best = Duration::from_secs((2 * BURST / PER_SEC) as u64);
    assert!(took <= best.mul_f64(1.1), "{took:?}");
    world.all_settled_within(Duration::from_mins(1)).await;
    world.drain().await;
    // Four calls may go beyond the buckets at first, and others may try again after a minute.
    assert!(throttled(&world) <= 8, "{} throttled calls", throttled(&world));
    assert_eq!(world.aws.notices().len(), 3 * BURST);
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_share_leaves_the_rest_of_the_buckets_to_others() {
    let mut world = storm(1_000).set("ENFORCER_RATE_LIMIT__SHARE_PERCENT", "25").started();
    stopped(&world, 1_000).await;
    world.all_settled_within(Duration::from_mins(1)).await;
    world.drain().await;
    assert_eq!(throttled(&world), 0);
    let stops = world.aws.calls("StopInstances");
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let instances = deepest(&stops, |call| call.subjects.len() as f64, 5.0);
    assert!(instances <= 251.0, "{instances}");
    assert!(deepest(&stops, |_| 1.0, 1.25) <= 13.0);
    let looks: Vec<_> = world.ec2_calls();
    let looks: Vec<_> =
        looks.into_iter().filter(|call| call.operation != "StopInstances").collect();
    assert!(deepest(&looks, |_| 1.0, 5.0) <= 26.0);
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_gathers_in_an_outage_of_looks_is_stopped_within_the_rate_limits() {
    // With the whole share four calls may go beyond the buckets.
    for (share, most, beyond) in [("25", 251.0, 0), ("100", 1_401.0, 4)] {
        let mut world = storm_under_long_leases(3_000, share);
        world.aws.inject(Rule::on("DescribeInstances"));
        world = world.started();
        tokio::time::sleep(Duration::from_mins(10)).await;
        world.aws.lift_all();
        let lifted = Instant::now();
        tokio::time::sleep(Duration::from_secs(12)).await;
        let stops = world.aws.calls("StopInstances");
        let share: f64 = share.parse().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let instances = deepest(&stops, |call| call.subjects.len() as f64, share / 5.0);
        assert!(instances <= most, "{share} %: {instances} in {:?}", lifted.elapsed());
        assert!(throttled(&world) <= beyond, "{share} %: {} throttled", throttled(&world));
        assert!(instances_stopped(&world) > 0, "{share} %: nothing is stopped");
        world.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_gathers_while_looks_are_denied_is_stopped_within_the_rate_limits() {
    let mut world = storm_under_long_leases(2_000, "25");
    let denied = Fault::error(403, "UnauthorizedOperation");
    world.aws.inject(Rule::on("DescribeInstances").fault(denied));
    world = world.started();
    tokio::time::sleep(Duration::from_mins(7)).await;
    world.aws.lift_all();
    tokio::time::sleep(Duration::from_secs(45)).await;
    let stops = world.aws.calls("StopInstances");
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let instances = deepest(&stops, |call| call.subjects.len() as f64, 5.0);
    assert!((100.0..=251.0).contains(&instances), "{instances}");
    world.drain().await;
}

#[tokio::test(start_paused = true)]
async fn stops_that_waited_for_a_share_follow_fresh_looks() {
    let mut world = storm(300).set("ENFORCER_RATE_LIMIT__SHARE_PERCENT", "10").started();
    stopped(&world, 300).await;
    world.drain().await;
    let looks = world.aws.calls("DescribeInstances");
    for stop in world.aws.calls("StopInstances") {
        let seen = |look: &&Call| {
            look.answered.is_some_and(|at| at <= stop.at)
                && stop.subjects.iter().all(|id| look.seen_tags.contains_key(id))
        };
        let look = looks.iter().rev().find(seen).and_then(|look| look.answered);
        assert!(look.is_some_and(|at| stop.at - at <= Duration::from_secs(5)), "{stop:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_that_is_raised_counts_at_once() {
    let mut world = storm(300).set("ENFORCER_RATE_LIMIT__SHARE_PERCENT", "1");
    let (sender, live) = watch::channel(world.settings().live());
    world = world.following(live).started();
    stopped(&world, 20).await;
    sender.send_modify(|live: &mut Live| live.share_percent = 100);
    let took = stopped(&world, 300).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    world.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_hands_back_what_waits_for_its_share() {
    let mut world = storm(300).set("ENFORCER_RATE_LIMIT__SHARE_PERCENT", "1").started();
    stopped(&world, 10).await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert!(world.aws.messages().iter().all(|message| !message.is_held()));
    assert_eq!(world.aws.messages().len() + world.aws.notices().len(), 300);
}
