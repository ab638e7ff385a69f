//! The last receive of a message for which EC2 keeps failing: the owner is told once, before SQS
//! moves the message to the dead-letter queue.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};

use crate::world::{World, pass};

/// A world whose queue has this redrive policy; empty for none.
async fn redriving(policy: &str) -> World {
    let world = World::new();
    let sqs = aws_sdk_sqs::Client::new(&world.aws.sdk_config());
    let policy = policy.replace("DEAD", &world.resources.dead_letter_arn);
    let call = sqs.set_queue_attributes().queue_url(&world.resources.queue_url);
    call.attributes(QueueAttributeName::RedrivePolicy, policy).send().await.unwrap();
    world
}

async fn with_three_receives() -> World {
    redriving(r#"{"deadLetterTargetArn":"DEAD","maxReceiveCount":3}"#).await
}

/// Sends an event of an instance for which an operation always fails.
fn failing(world: &World, operation: &str, fault: Fault) -> String {
    let id = world.aws.launch(Launch::default().quiet());
    world.aws.inject(Rule::on(operation).naming(&id).fault(fault));
    world.aws.send(&world.aws.event(&id));
    id
}

/// Lets this time pass, in which EC2 works for others: otherwise the operation would be paused.
async fn while_others_succeed(world: &World, minutes: u32) {
    for _ in 0..minutes * 30 {
        world.violator();
        pass(Duration::from_secs(2)).await;
    }
}

fn notices_of(world: &World, id: &str) -> Vec<String> {
    world.texts().into_iter().filter(|text| text.contains(id)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_owner_is_told_once_and_the_message_goes_to_the_dead_letter_queue() {
    for (operation, status, code) in [
        ("DescribeTags", 500, "InternalError"),
        ("DescribeInstances", 500, "InternalError"),
        ("StopInstances", 500, "InternalError"),
        ("StopInstances", 400, "SomethingNew"),
        ("StopInstances", 400, "IncorrectInstanceState"),
    ] {
        let mut world = with_three_receives().await.started();
        let id = failing(&world, operation, Fault::error(status, code));
        while_others_succeed(&world, 5).await;
        let text = format!("EC2 {id} NOT stopped: EC2 keeps failing ({code})");
        assert_eq!(notices_of(&world, &id), [text], "{operation}, {code}");
        let dead: Vec<_> = world.aws.dead_letters();
        assert!(dead.len() == 1 && dead[0].body.contains(&id), "{operation}: {dead:?}");
        world.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_an_instance_in_a_member_account_is_not_told() {
    const MEMBER: &str = "210987654321";
    let world = with_three_receives().await.set("ENFORCER_ACCOUNTS__IDS", MEMBER);
    world.aws.add_account(MEMBER);
    let world = world.started();
    let id = world.aws.launch(Launch::default().account(MEMBER).quiet());
    world.aws.inject(Rule::on("StopInstances").naming(&id));
    world.aws.send(&world.aws.in_account(MEMBER).event(&id));
    for _ in 0..150 {
        world.aws.launch(Launch::default().account(MEMBER));
        pass(Duration::from_secs(2)).await;
    }
    assert_eq!(notices_of(&world, &id), [""; 0]);
    let dead = world.aws.dead_letters();
    assert!(dead.len() == 1 && dead[0].body.contains(&id), "{dead:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_for_which_ec2_works_again_is_stopped_when_its_message_is_redriven() {
    let world = with_three_receives().await.started();
    let id = failing(&world, "StopInstances", Fault::error(500, "InternalError"));
    while_others_succeed(&world, 5).await;
    world.aws.lift_all();
    let body = world.aws.dead_letters().remove(0).body;
    world.aws.send(&body);
    world.all_settled().await;
    assert_eq!(notices_of(&world, &id).len(), 2);
    assert!(notices_of(&world, &id).contains(&format!("EC2 {id} Stopped")));
    assert!(!world.is_running(&id));
}

#[tokio::test(start_paused = true)]
async fn without_a_redrive_policy_the_message_is_tried_for_ever() {
    let world = redriving("").await.started();
    let id = failing(&world, "StopInstances", Fault::error(500, "InternalError"));
    while_others_succeed(&world, 10).await;
    assert_eq!(notices_of(&world, &id), [""; 0]);
    assert!(world.most_receives() > 3);
}

#[tokio::test(start_paused = true)]
async fn a_drain_at_the_last_receive_sends_no_second_notice() {
    let mut world = with_three_receives().await.started();
    let id = failing(&world, "StopInstances", Fault::error(500, "InternalError"));
    while_others_succeed(&world, 1).await;
    world.drain().await;
    world.start();
    while_others_succeed(&world, 3).await;
    assert!(notices_of(&world, &id).len() <= 1, "{:?}", notices_of(&world, &id));
}
