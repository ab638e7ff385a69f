//! EC2 that throttles looks slows the daemon down, and costs nothing else.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Outcome, Rule};
use tokio::time::Instant;

use crate::world::{World, notices, pass};

/// Has all but one of so many calls throttled, as where another tool drains the bucket.
fn throttle(world: &World, operation: &str, of: usize) {
    let fault = Fault::error(503, "RequestLimitExceeded");
    world.aws.inject(Rule::on(operation).sparing_every(of).fault(fault));
}

/// Sends 900 events while all but one of so many looks are throttled, and expects each violator to
/// be stopped in time, without a pause and with one receive of each message.
async fn ends_in_time(operation: &str, of: usize, limit: Duration) {
    let mut world = World::new().with_usual_latencies();
    throttle(&world, operation, of);
    let mut ids: Vec<_> = (0..450).map(|_| world.violator()).collect();
    (0..450).for_each(|_| drop(world.exempt()));
    world.start();
    let began = Instant::now();
    while world.aws.depth() > 0 {
        pass(Duration::from_secs(1)).await;
        assert_eq!(world.health.troubles(), [""; 0]);
        assert!(began.elapsed() < limit, "{} are left of {operation}", world.aws.depth());
    }
    ids.sort();
    assert_eq!(world.texts(), notices(&ids, None));
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn most_look_ups_of_tags_throttled_delay_a_burst_by_seconds() {
    ends_in_time("DescribeTags", 5, Duration::from_secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn most_second_looks_throttled_delay_a_burst_by_seconds() {
    ends_in_time("DescribeInstances", 5, Duration::from_secs(40)).await;
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_drains_the_bucket_does_not_stop_the_daemon() {
    ends_in_time("DescribeTags", 20, Duration::from_mins(2)).await;
    ends_in_time("DescribeInstances", 20, Duration::from_mins(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_whose_every_call_is_throttled_is_not_ready() {
    for operation in ["DescribeTags", "DescribeInstances", "StopInstances"] {
        let mut world = World::new().with_usual_latencies();
        throttle(&world, operation, usize::MAX);
        let id = world.violator();
        world.start();
        pass(Duration::from_secs(50)).await;
        assert_eq!(world.health.troubles(), [""; 0], "{operation}");
        pass(Duration::from_secs(30)).await;
        let troubles = world.health.troubles();
        let told = troubles.iter().any(|trouble| {
            trouble.starts_with("throttled for ")
                && trouble.ends_with(" s: EC2 in 123456789012/us-east-1")
        });
        assert!(told, "{operation}: {troubles:?}");
        world.aws.lift_all();
        world.all_settled_within(Duration::from_mins(1)).await;
        assert_eq!(world.health.troubles(), [""; 0], "{operation}");
        assert_eq!(world.texts(), notices(&[id], None));
        assert_eq!(world.most_receives(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_come_while_looks_are_throttled_are_looked_up_together() {
    let mut world = World::new().with_usual_latencies();
    throttle(&world, "DescribeTags", 20);
    world.start();
    for _ in 0..60 {
        world.exempt();
        pass(Duration::from_millis(500)).await;
    }
    world.all_settled_within(Duration::from_mins(1)).await;
    let calls = world.aws.calls("DescribeTags");
    let answered = calls.iter().filter(|call| call.result == Outcome::Answered).count();
    assert!(answered <= 12, "{answered} look-ups of 60 instances");
    assert_eq!(world.most_receives(), 1);
}
