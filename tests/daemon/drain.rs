//! After a drain no message is held, and the drain ends in time.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Message, Outcome, Rule, Sandbox, Service, Visibility};
use tokio::time::Instant;

use crate::world::{World, pass};

const DRAIN_TIMEOUT: Duration = Duration::from_secs(25);
const LAST_ROUND: Duration = Duration::from_secs(3);
/// How long a poll waits for messages.
const POLL: Duration = Duration::from_secs(20);
const LATENCY: Duration = Duration::from_secs(1);

fn all_visible(aws: &Sandbox) -> bool {
    aws.messages().iter().all(|message| message.visibility == Visibility::Visible)
}

/// A daemon with 500 events, half of them of violators, some of which are settled already.
async fn under_load() -> World {
    let small = [("BATCH", "10"), ("INBOX", "40"), ("POLLERS", "4")];
    let mut world = small.into_iter().fold(World::new(), |world, (size, value)| {
        world.set(&format!("ENFORCER_SIZES__{size}"), value)
    });
    world.aws.latency("DescribeTags", Duration::from_millis(40));
    world.aws.latency("StopInstances", Duration::from_millis(150));
    world.aws.latency("PublishBatch", Duration::from_millis(100));
    for _ in 0..250 {
        world.violator();
        world.exempt();
    }
    world.start();
    world.aws.until("some are settled", |aws| aws.depth() < 450).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_drain_under_load_leaves_nothing_held() {
    let mut world = under_load().await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert!(!world.aws.messages().is_empty(), "all was settled before the drain");
    assert!(all_visible(&world.aws));
}

#[tokio::test(start_paused = true)]
async fn the_counts_of_a_drain_add_up() {
    let mut world = under_load().await;
    let before = world.aws.messages();
    let drained = world.drain().await;
    let after = world.aws.messages();
    let back = after.iter().filter(|message| message.receive_count > 0).count();
    assert_eq!(drained.counts.deleted, (before.len() - after.len()) as u64);
    assert_eq!(drained.counts.handed_back, back as u64);
    assert_ne!(back, 0, "nothing was waiting when the drain began");
    assert_eq!((drained.counts.rejected, drained.counts.backing_off), (0, 0));
}

/// Drains when an outage has lasted for long enough to pause the operation.
async fn drain_during(outage: Rule) {
    let mut world = World::new();
    world.aws.inject(outage);
    (0..20).for_each(|_| drop(world.violator()));
    world.start();
    pass(Duration::from_mins(2)).await;
    assert!(world.aws.messages().iter().all(Message::is_held));
    let began = Instant::now();
    let drained = world.drain().await;
    assert!(drained.complete());
    assert_eq!(drained.counts.handed_back, 20);
    assert!(all_visible(&world.aws));
    assert!(began.elapsed() <= POLL + LATENCY, "took {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_drain_during_an_outage_of_sns_hands_back_after_the_last_poll() {
    drain_during(Rule::on_service(Service::Sns)).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_during_an_outage_of_ec2_hands_back_after_the_last_poll() {
    drain_during(Rule::on_service(Service::Ec2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_while_no_stop_succeeds_hands_back_after_the_last_poll() {
    drain_during(Rule::on("StopInstances")).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_while_nothing_can_be_deleted_hands_back_after_the_last_poll() {
    drain_during(Rule::on("DeleteMessageBatch")).await;
}

#[tokio::test(start_paused = true)]
async fn messages_sent_right_after_the_end_are_visible_to_others() {
    let mut world = World::new().started();
    pass(Duration::from_secs(5)).await;
    assert!(world.drain().await.complete());
    (0..40).for_each(|_| drop(world.violator()));
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.aws.messages().len(), 40);
    assert!(all_visible(&world.aws));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_while_polls_are_in_flight_is_worked_on() {
    let mut world = World::new().with_usual_latencies().started();
    pass(Duration::from_secs(5)).await;
    world.terminate();
    pass(Duration::from_secs(5)).await;
    let id = world.violator();
    pass(LATENCY).await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
    let drained = world.drain().await;
    assert_eq!((drained.counts.deleted, drained.counts.handed_back), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn messages_that_the_last_poll_brings_are_handed_back() {
    // With more pollers, the last poll of another one could receive it again.
    let mut world = World::new().set("ENFORCER_SIZES__POLLERS", "1").started();
    pass(Duration::from_secs(5)).await;
    world.terminate();
    pass(Duration::from_secs(1)).await;
    let id = world.violator();
    world.aws.until("it is received", |aws| aws.messages()[0].receive_count > 0).await;
    let drained = world.drain().await;
    assert_eq!(drained.counts.handed_back, 1);
    assert_eq!(world.most_receives(), 1);
    assert!(all_visible(&world.aws));
    assert!(world.is_running(&id));
}

#[tokio::test(start_paused = true)]
async fn polls_are_shorter_where_the_drain_is() {
    let mut world = World::new().set("ENFORCER_DRAIN__TIMEOUT_SECS", "3").started();
    pass(Duration::from_millis(4_500)).await;
    let began = Instant::now();
    assert!(world.drain().await.complete());
    assert!(began.elapsed() <= Duration::from_secs(1), "took {:?}", began.elapsed());
    let polls = world.aws.calls("ReceiveMessage");
    assert!(polls.iter().all(|poll| poll.result == Outcome::Answered), "{polls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_hangs_is_cut_off_and_counted() {
    let mut world = World::new().set("ENFORCER_SIZES__POLLERS", "2");
    world.aws.inject(Rule::on("ReceiveMessage").fault(Fault::HangBefore).times(1));
    world.start();
    pass(Duration::from_secs(2)).await;
    let drained = world.drain().await;
    assert_eq!((drained.held, drained.polls_cut_off), (0, 1));
    assert!(!drained.complete());
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_hangs_is_cut_off_and_handed_back() {
    let mut world = World::new();
    world.aws.inject(Rule::on("StopInstances").fault(Fault::HangBefore));
    world.violator();
    world.start();
    world.aws.until("it is being stopped", |aws| !aws.calls("StopInstances").is_empty()).await;
    let began = Instant::now();
    let drained = world.drain().await;
    assert!(drained.complete());
    assert_eq!(drained.counts.handed_back, 1);
    assert!(all_visible(&world.aws));
    let took = began.elapsed();
    assert!((DRAIN_TIMEOUT..=DRAIN_TIMEOUT + LAST_ROUND).contains(&took), "took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_backs_off_before_the_signal_stays_delayed() {
    let mut world = World::new();
    let id = world.violator();
    world.aws.forget(&id);
    world.start();
    let retried = |aws: &Sandbox| !aws.calls("ChangeMessageVisibilityBatch").is_empty();
    world.aws.until("it is retried", retried).await;
    pass(Duration::from_secs(1)).await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert_eq!(drained.counts.backing_off, 1);
    assert_eq!(drained.counts.handed_back, 0);
    assert!(world.aws.messages()[0].is_held());
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_waits_for_an_outage_is_handed_back_at_once() {
    let mut world = World::new().set("ENFORCER_SIZES__SETTLERS", "1");
    let outage = world.aws.inject(Rule::on("ChangeMessageVisibilityBatch"));
    for _ in 0..2 {
        let id = world.violator();
        world.aws.forget(&id);
    }
    world.start();
    pass(Duration::from_secs(20)).await;
    world.aws.lift(outage);
    let drained = world.drain().await;
    assert_eq!((drained.counts.handed_back, drained.counts.backing_off), (2, 0));
    assert!(all_visible(&world.aws));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_waits_for_a_renewal_is_handed_back_at_once() {
    let mut world = World::new().set("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", "14");
    let slow = |operation, secs| Rule::on(operation).fault(Fault::Delay(Duration::from_secs(secs)));
    world.aws.inject(slow("DescribeTags", 8));
    world.aws.inject(slow("ChangeMessageVisibilityBatch", 5).times(1));
    let id = world.violator();
    world.aws.forget(&id);
    world.start();
    world.aws.until("EC2 does not know it", |aws| !aws.calls("DescribeInstances").is_empty()).await;
    assert_eq!(world.timeouts(), [14], "nothing but the renewal is on its way");
    let drained = world.drain().await;
    assert_eq!((drained.counts.handed_back, drained.counts.backing_off), (1, 0));
    assert!(all_visible(&world.aws));
}

#[tokio::test(start_paused = true)]
async fn a_message_handed_back_without_an_answer_is_not_counted_as_held() {
    let mut world = World::new();
    world.aws.inject(Rule::on("StopInstances"));
    world.aws.inject(Rule::on("ChangeMessageVisibilityBatch").fault(Fault::CutAfter).times(1));
    world.violator();
    world.start();
    pass(Duration::from_secs(10)).await;
    let drained = world.drain().await;
    assert!(all_visible(&world.aws));
    assert!(drained.complete());
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_is_counted_and_left_alone() {
    let mut world = World::new().started();
    world.aws.send("not JSON");
    pass(Duration::from_secs(1)).await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert_eq!(drained.counts.rejected, 1);
    assert_eq!(world.calls("ChangeMessageVisibilityBatch"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_answer_never_comes_is_not_counted_as_held() {
    let mut world = World::new();
    world.aws.inject(Rule::on("DeleteMessageBatch").fault(Fault::HangAfter));
    world.exempt();
    world.start();
    world.aws.until("it is deleted", |aws| !aws.calls("DeleteMessageBatch").is_empty()).await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert!(world.aws.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_signal_during_the_start_ends_it_at_once() {
    let mut world = World::new();
    world.aws.inject(Rule::on_service(Service::Sts).fault(Fault::HangBefore));
    world.start();
    world.aws.until("it asks STS", |aws| !aws.calls("GetCallerIdentity").is_empty()).await;
    let began = Instant::now();
    assert!(world.drain().await.complete());
    assert!(began.elapsed() < Duration::from_millis(100), "took {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_at_once() {
    let mut world = World::new();
    world.aws.inject(Rule::on("StopInstances").fault(Fault::HangBefore));
    world.violator();
    world.start();
    world.aws.until("it is being stopped", |aws| !aws.calls("StopInstances").is_empty()).await;
    let began = Instant::now();
    world.terminate_now();
    world.drain().await;
    assert!(began.elapsed() < Duration::from_millis(100), "took {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_daemon_drains_when_its_polls_have_ended() {
    let mut world = World::new().started();
    pass(Duration::from_secs(5)).await;
    let began = Instant::now();
    let drained = world.drain().await;
    assert!(drained.complete());
    let left = Duration::from_secs(15);
    assert!((left..=left + LATENCY).contains(&began.elapsed()), "took {:?}", began.elapsed());
}
