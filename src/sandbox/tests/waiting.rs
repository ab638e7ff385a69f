//! A wait that has begun also ends by what is planned only afterwards.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use tokio::time::{Instant, sleep};

use super::world_with;
use crate::sandbox::{Launch, Options, State};

const PENDING: Duration = Duration::from_secs(3);

fn slow_to_run() -> Options {
    Options { pending: PENDING, ..Options::default() }
}

#[tokio::test(start_paused = true)]
async fn a_condition_is_checked_again_after_what_a_later_launch_plans() {
    let sandbox = world_with(slow_to_run()).sandbox;
    let began = Instant::now();
    let launch = async {
        sleep(Duration::from_secs(1)).await;
        sandbox.launch(Launch::default())
    };
    let runs = |instance: &crate::sandbox::Instance| instance.state == State::Running;
    let running = sandbox.until("it runs", |sandbox| sandbox.instances().iter().any(runs));
    tokio::join!(running, launch);
    assert_eq!(began.elapsed(), Duration::from_secs(1) + PENDING);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_gets_the_event_of_a_later_launch() {
    let world = world_with(slow_to_run());
    let began = Instant::now();
    let launch = async {
        sleep(Duration::from_secs(1)).await;
        world.sandbox.launch(Launch::default())
    };
    let (messages, _) = tokio::join!(world.receive(20), launch);
    assert_eq!(messages.len(), 1);
    assert_eq!(began.elapsed(), Duration::from_secs(1) + PENDING);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_gets_a_message_that_is_sent_with_a_delay_meanwhile() {
    let world = world_with(Options::default());
    let began = Instant::now();
    let send = async {
        sleep(Duration::from_secs(1)).await;
        let send = world.sqs.send_message().queue_url(&world.made.queue_url).message_body("hello");
        send.delay_seconds(2).send().await.unwrap();
    };
    let (messages, ()) = tokio::join!(world.receive(20), send);
    assert_eq!(messages.len(), 1);
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn the_delay_of_a_queue_holds_for_events_too_and_that_of_a_message_goes_before_it() {
    let world = world_with(Options::default());
    let set = world.sqs.set_queue_attributes().queue_url(&world.made.queue_url);
    set.attributes(QueueAttributeName::DelaySeconds, "5").send().await.unwrap();
    let began = Instant::now();
    world.sandbox.launch(Launch::default());
    let send = world.sqs.send_message().queue_url(&world.made.queue_url).message_body("hello");
    send.delay_seconds(0).send().await.unwrap();
    assert_eq!(world.receive(20).await[0].body(), Some("hello"));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(world.receive(20).await[0].body().unwrap().contains("running"));
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_gets_a_message_that_is_handed_back_meanwhile() {
    let world = world_with(Options::default());
    world.sandbox.send("hello");
    let first = world.receive(0).await;
    let began = Instant::now();
    let hand_back = async {
        sleep(Duration::from_secs(1)).await;
        let change = world.sqs.change_message_visibility().queue_url(&world.made.queue_url);
        let receipt = first[0].receipt_handle().unwrap();
        change.receipt_handle(receipt).visibility_timeout(2).send().await.unwrap();
    };
    let (messages, ()) = tokio::join!(world.receive(20), hand_back);
    assert_eq!(messages.len(), 1);
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}
