//! Held messages stay invisible. A held message that is received again is not worked on twice.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule, Service};

use crate::world::{World, notices, pass, violators};

/// The visibility timeout that renewals ask for, in seconds.
const RENEWAL: i64 = 30;
/// SQS makes a message visible at the latest so long after it was received.
const LONGEST: Duration = Duration::from_hours(12);

#[tokio::test(start_paused = true)]
async fn a_message_received_again_while_held_is_settled_with_its_newer_receipt() {
    let mut world = World::new();
    world.aws.inject(Rule::on("ChangeMessageVisibilityBatch"));
    world.aws.latency("StopInstances", Duration::from_secs(45));
    let ids = violators(&world, 1);
    world.start();
    world.all_settled_within(Duration::from_mins(2)).await;
    assert_eq!(world.most_receives(), 2);
    assert_eq!(world.stops_of(&ids[0]), 1);
    assert_eq!(world.texts(), notices(&ids, None));
}

#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_sqs_can_hide_a_message_loses_and_repeats_nothing() {
    // Longer intervals, so that there are fewer attempts to play in these hours.
    let mut world = World::new().set("ENFORCER_RETRY__CAP_MS", "60000");
    world.aws.inject(Rule::on_service(Service::Sns));
    let ids = violators(&world, 3);
    world.start();
    pass(LONGEST + Duration::from_hours(1)).await;
    let asked: Vec<_> = world.timeouts();
    assert!(asked.iter().all(|secs| *secs > 0), "a renewal asked for nothing");
    world.aws.lift_all();
    world.all_settled_within(Duration::from_mins(20)).await;
    assert_eq!(world.texts(), notices(&ids, None));
    assert!(world.most_receives() <= 3, "{} receives", world.most_receives());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_keeps_failing_is_retried_after_a_longer_delay_each_time() {
    let world = World::new().started();
    world.violator();
    world.notices(1).await;
    let id = world.violator();
    let text = format!("EC2 {id} Stopped");
    world.aws.inject(Rule::on("PublishBatch").naming(text.as_str()));
    // Other messages succeed meanwhile, so the operation is not paused and this one is retried.
    for _ in 0..200 {
        world.violator();
        pass(Duration::from_millis(500)).await;
    }
    let message = &world.aws.messages()[0].id;
    let changes = world.aws.calls("ChangeMessageVisibilityBatch");
    let own = changes.iter().flat_map(|call| &call.timeouts).filter(|(id, _)| id == message);
    let delays: Vec<_> = own.map(|(_, secs)| *secs).filter(|secs| *secs != RENEWAL).collect();
    assert!((8..=12).contains(&delays[0]), "{delays:?}");
    assert!((16..=24).contains(&delays[1]), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_received_again_during_its_deletion_is_deleted_with_its_newer_receipt() {
    let mut world = World::new();
    // The renewal fails, and the deletion is in flight when the visibility timeout ends.
    world.aws.inject(Rule::on("ChangeMessageVisibilityBatch"));
    world.aws.latency("StopInstances", Duration::from_secs(29));
    world.aws.latency("DeleteMessageBatch", Duration::from_secs(2));
    violators(&world, 1);
    world.start();
    pass(Duration::from_secs(36)).await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert!(world.aws.messages().is_empty(), "{:?}", world.aws.messages());
    assert_eq!(world.most_receives(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_deletion_failed_is_renewed_at_once() {
    let mut world = World::new();
    // One message is renewed after 15 s and 30 s. Meanwhile the deletion of the other one hangs and
    // then fails.
    world.aws.inject(Rule::on("StopInstances").fault(Fault::Delay(Duration::from_secs(58))));
    world.aws.inject(Rule::on("DescribeTags").fault(Fault::Delay(Duration::from_secs(9))));
    world.aws.inject(Rule::on("DeleteMessageBatch").fault(Fault::HangBefore).times(1));
    let refused = Fault::error(403, "AccessDenied");
    world.aws.inject(Rule::on("DeleteMessageBatch").fault(refused).times(7));
    world.violator();
    world.exempt();
    world.start();
    world.all_settled_within(Duration::from_mins(2)).await;
    let renewals = world.aws.calls("ChangeMessageVisibilityBatch");
    assert!(renewals.iter().all(|renewal| renewal.failed.is_empty()), "a lease was lost");
    assert_eq!(world.most_receives(), 1);
}
