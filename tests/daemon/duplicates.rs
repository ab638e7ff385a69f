//! Events that are delivered twice, and notices that a FIFO topic tells apart.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Launch, Rule};

use crate::world::{World, pass};

/// Launches a violator whose event is to be sent by hand.
fn quiet(world: &World) -> String {
    world.aws.launch(Launch::default().quiet())
}

/// A running violator, and one event of it that waits twice for the daemon.
fn duplicates() -> (World, String) {
    let world = World::new();
    world.aws.latency("DescribeTags", Duration::from_secs(1));
    let id = quiet(&world);
    let event = world.aws.event(&id);
    (0..2).for_each(|_| drop(world.aws.send(&event)));
    (world.started(), id)
}

#[tokio::test(start_paused = true)]
async fn duplicates_make_one_stop_and_one_notice() {
    let (mut world, id) = duplicates();
    world.all_settled().await;
    world.drain().await;
    assert_eq!(world.stops_of(&id), 1);
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_that_waits_long_does_not_go_to_the_dead_letter_queue() {
    let world = World::new();
    world.aws.inject(Rule::on("StopInstances"));
    let id = quiet(&world);
    let event = world.aws.event(&id);
    (0..2).for_each(|_| drop(world.aws.send(&event)));
    let world = world.started();
    pass(Duration::from_hours(1)).await;
    assert_eq!(world.aws.messages().len(), 2);
    assert!(world.most_receives() <= 10, "{} receives", world.most_receives());
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_comes_back_after_ten_seconds_and_is_deleted_without_work() {
    let (world, _) = duplicates();
    world.all_settled().await;
    let returns: Vec<_> = world
        .aws
        .calls("ChangeMessageVisibilityBatch")
        .into_iter()
        .flat_map(|call| call.timeouts)
        .map(|(_, secs)| secs)
        .collect();
    assert_eq!(returns, [10]);
    assert_eq!(world.calls("DescribeTags"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_stopped_but_unannounced_goes_straight_to_its_notice() {
    let world = World::new().started();
    let id = quiet(&world);
    let text = format!("EC2 {id} Stopped");
    world.aws.inject(Rule::on("PublishBatch").naming(text.as_str()));
    let message = world.aws.send(&world.aws.event(&id));
    world.aws.until("it is stopped", |aws| !aws.calls("PublishBatch").is_empty()).await;
    // Others succeed meanwhile, so SNS is sound and the message is returned.
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
