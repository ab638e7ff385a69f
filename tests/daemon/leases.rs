//! What is held stays invisible, and what comes again all the same is not worked on twice.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule, Service};

use crate::world::{World, notices, pass, violators};

/// What renewals ask for.
const RENEWAL: i64 = 30;
/// The longest that SQS hides a message after a receive.
const LONGEST: Duration = Duration::from_hours(12);

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_while_held_hands_over_its_newer_receipt() {
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
    // Longer intervals, so that the hours are played through sooner.
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
async fn a_message_that_keeps_failing_is_returned_for_longer_each_time() {
    let mut world = World::new();
    let id = world.violator();
    let text = format!("EC2 {id} Stopped");
    world.aws.inject(Rule::on("PublishBatch").naming(text.as_str()));
    world.start();
    // Others succeed meanwhile, so it is this message's own fault.
    for _ in 0..200 {
        world.violator();
        pass(Duration::from_millis(500)).await;
    }
    let message = &world.aws.messages()[0].id;
    let changes = world.aws.calls("ChangeMessageVisibilityBatch");
    let own = changes.iter().flat_map(|call| &call.timeouts).filter(|(id, _)| id == message);
    let returns: Vec<_> = own.map(|(_, secs)| *secs).filter(|secs| *secs != RENEWAL).collect();
    assert!((8..=12).contains(&returns[0]), "{returns:?}");
    assert!((16..=24).contains(&returns[1]), "{returns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_while_it_is_deleted_is_deleted_with_its_newer_receipt() {
    let mut world = World::new();
    // The renewal fails, and the delete is on its way when the lease is over.
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
async fn a_lease_that_is_taken_up_again_is_renewed_at_once() {
    let mut world = World::new();
    // One message is renewed at 15 s and at 30 s; the other one's deletion hangs meanwhile, and
    // fails.
    world.aws.inject(Rule::on("StopInstances").fault(Fault::Delay(Duration::from_secs(58))));
    world.aws.inject(Rule::on("DescribeTags").fault(Fault::Delay(Duration::from_secs(9))));
    world.aws.inject(Rule::on("DeleteMessageBatch").fault(Fault::HangBefore).times(1));
    let refused = Fault::error(403, "AccessDenied");
    world.aws.inject(Rule::on("DeleteMessageBatch").fault(refused).times(7));
    world.violator();
    world.exempt();
    world.start();
    world.all_settled_within(Duration::from_mins(2)).await;
    let hides = world.aws.calls("ChangeMessageVisibilityBatch");
    assert!(hides.iter().all(|hide| hide.failed.is_empty()), "a lease was lost");
    assert_eq!(world.most_receives(), 1);
}
