//! Events that are delivered more than once, and the deduplication of notices by a FIFO topic.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Fault, Launch, Rule, Sandbox};

use crate::panics::panicking_on;
use crate::world::{World, pass};

/// Launches a violator that sends no event.
fn quiet(world: &World) -> String {
    world.aws.launch(Launch::default().quiet())
}

/// Sends an event of a running violator several times, before the daemon starts.
fn sent(world: &World, times: usize) -> String {
    let id = quiet(world);
    let event = world.aws.event(&id);
    (0..times).for_each(|_| drop(world.aws.send(&event)));
    id
}

fn retries(aws: &Sandbox) -> usize {
    aws.calls("ChangeMessageVisibilityBatch").iter().map(|call| call.timeouts.len()).sum()
}

/// The time from the first to the last deletion.
fn deletions_took(world: &World) -> Duration {
    let calls = world.aws.calls("DeleteMessageBatch");
    let effects: Vec<_> = calls.iter().filter_map(|call| call.acted).collect();
    *effects.iter().max().unwrap() - *effects.iter().min().unwrap()
}

#[tokio::test(start_paused = true)]
async fn duplicates_make_one_stop_and_one_notice() {
    let world = World::new().with_usual_latencies();
    let id = sent(&world, 2);
    let mut world = world.started();
    world.all_settled().await;
    world.drain().await;
    assert_eq!(world.stops_of(&id), 1);
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn duplicates_join_the_one_that_is_worked_on_and_are_deleted_with_it() {
    let world = World::new().with_usual_latencies();
    let ids: Vec<_> = (0..100).map(|_| sent(&world, 4)).collect();
    let world = world.started();
    world.all_settled().await;
    assert_eq!(world.most_receives(), 1);
    assert_eq!(world.timeouts(), [0_i64; 0], "no message is made visible again");
    assert!(ids.iter().all(|id| world.stops_of(id) == 1));
    assert_eq!(world.aws.notices().len(), 100);
    let took = deletions_took(&world);
    assert!(took < Duration::from_secs(1), "the last is deleted {took:?} after the first");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_retried_with_the_one_that_it_joined() {
    let world = World::new().with_usual_latencies();
    let id = sent(&world, 2);
    world.aws.forget(&id);
    let world = world.started();
    world.aws.until("both are retried", |aws| retries(aws) == 2).await;
    assert_eq!(world.timeouts(), [60, 60]);
    world.aws.launch(Launch::default().id(&id).quiet());
    world.all_settled_within(Duration::from_mins(2)).await;
    assert_eq!(world.most_receives(), 2);
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_handed_back_with_the_one_that_it_joined() {
    let mut world = World::new().set("ENFORCER_QUEUE__WAIT_SECS", "1");
    world.aws.inject(Rule::on("DescribeTags").fault(Fault::error(503, "Unavailable")));
    sent(&world, 2);
    world.start();
    world.aws.until("both are held", |aws| !aws.calls("DescribeTags").is_empty()).await;
    let drained = world.drain().await;
    assert_eq!(drained.counts.handed_back, 2);
    assert_eq!(world.timeouts(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn more_duplicates_than_a_call_can_delete_are_deleted_in_several() {
    let world = World::new().with_usual_latencies();
    let id = sent(&world, 37);
    let world = world.started();
    world.all_settled().await;
    assert_eq!((world.stops_of(&id), world.most_receives()), (1, 1));
    let calls = world.aws.calls("DeleteMessageBatch");
    assert!(calls.iter().all(|call| call.subjects.len() <= 10), "{calls:?}");
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn duplicates_are_deleted_although_the_lease_of_the_first_was_lost() {
    let world = World::new();
    let code = "ReceiptHandleIsInvalid".to_owned();
    let lost = Fault::Entries { count: 1, code, sender_fault: true };
    world.aws.inject(Rule::on("DeleteMessageBatch").fault(lost).times(1));
    let id = sent(&world, 3);
    let world = world.started();
    world.all_settled_within(Duration::from_mins(2)).await;
    assert_eq!(world.aws.calls("ReceiveMessage").iter().flat_map(|call| &call.subjects).count(), 4);
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_hands_back_the_duplicates_of_a_stop_that_hangs() {
    let mut world = World::new().set("ENFORCER_DRAIN__TIMEOUT_SECS", "5");
    world.aws.inject(Rule::on("StopInstances").fault(Fault::HangBefore));
    sent(&world, 12);
    world.start();
    world.aws.until("it is being stopped", |aws| !aws.calls("StopInstances").is_empty()).await;
    let drained = world.drain().await;
    assert_eq!((drained.counts.handed_back, drained.held), (12, 0));
    assert!(world.aws.messages().iter().all(|message| !message.is_held()));
}

#[tokio::test(start_paused = true)]
async fn a_drain_hands_back_the_duplicates_of_a_denied_stop() {
    let mut world = World::new();
    world.aws.inject(Rule::on("StopInstances").fault(Fault::error(403, "UnauthorizedOperation")));
    sent(&world, 12);
    world.start();
    world.aws.until("it is denied", |aws| !aws.calls("StopInstances").is_empty()).await;
    pass(Duration::from_secs(20)).await;
    let drained = world.drain().await;
    assert_eq!((drained.counts.handed_back, drained.held), (12, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_event_that_cannot_end_holds_up_no_other() {
    // Room for 140 messages.
    let world = World::new()
        .set("ENFORCER_SIZES__POLLERS", "1")
        .set("ENFORCER_SIZES__INBOX", "60")
        .set("ENFORCER_SIZES__STOP_QUEUE", "10");
    world.aws.inject(Rule::on("StopInstances").fault(Fault::error(403, "UnauthorizedOperation")));
    sent(&world, 300);
    let world = world.started();
    pass(Duration::from_secs(30)).await;
    let exempt = world.exempt();
    let is_looked_up = |call: &Call| call.subjects.contains(&exempt);
    world
        .aws
        .until("it is looked up", |aws| aws.calls("DescribeTags").iter().any(is_looked_up))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_held_through_an_outage() {
    let world = World::new();
    world.aws.inject(Rule::on("StopInstances").fault(Fault::error(503, "Unavailable")));
    let id = sent(&world, 2);
    let world = world.started();
    pass(Duration::from_hours(1)).await;
    assert_eq!(world.aws.messages().len(), 2);
    assert_eq!(world.most_receives(), 1);
    world.aws.lift_all();
    world.all_settled().await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_retried_when_the_batch_of_the_first_panics() {
    let world = panicking_on("StopInstances", 1);
    let id = sent(&world, 2);
    let world = world.started();
    world.all_settled_within(Duration::from_mins(2)).await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
    assert_eq!(world.most_receives(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retried_event_whose_instance_was_stopped_is_only_announced() {
    let world = World::new().started();
    world.violator();
    world.notices(1).await;
    let id = quiet(&world);
    let text = format!("EC2 {id} Stopped");
    world.aws.inject(Rule::on("PublishBatch").naming(text.as_str()));
    let message = world.aws.send(&world.aws.event(&id));
    world.aws.until("it is stopped", |aws| aws.calls("PublishBatch").len() > 1).await;
    // Other notices are accepted meanwhile, so SNS is not paused and this message is retried.
    while world.calls("ChangeMessageVisibilityBatch") == 0 {
        world.violator();
        pass(Duration::from_millis(500)).await;
    }
    world.aws.lift_all();
    world.all_settled().await;
    assert_eq!(world.receives_of(&message), 2);
    let look_ups = world.aws.calls("DescribeTags");
    assert_eq!(look_ups.iter().filter(|call| call.subjects.contains(&id)).count(), 1);
    assert_eq!(world.stops_of(&id), 1);
    assert_eq!(world.texts().iter().filter(|one| **one == text).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_event_of_an_instance_is_announced() {
    let mut world = World::new();
    let id = quiet(&world);
    (0..2).for_each(|_| drop(world.aws.send(&world.aws.event(&id))));
    world.start();
    world.all_settled().await;
    let text = format!("EC2 {id} Stopped");
    assert_eq!(world.texts(), [text.clone(), text]);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_gets_the_instance_as_group_and_a_hash_as_deduplication_id() {
    let world = World::new();
    let topic = world.aws.topic("violations.fifo");
    let world = world.set("SNS_TOPIC_ARN", &topic).started();
    let id = world.violator();
    let notices = world.notices(1).await;
    assert_eq!(notices[0].topic_arn, topic);
    assert_eq!(notices[0].group_id.as_ref(), Some(&id));
    let hash = notices[0].deduplication_id.as_deref().unwrap_or_default();
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
}
