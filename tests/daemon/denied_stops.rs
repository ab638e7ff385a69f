//! Stops that IAM denies: by the guard in the policy for one instance, or by a broken role for all.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Message, Options, Rule};
use tokio::time::Instant;

use crate::world::{TAG, World, gathering, notices, pass, tagging, violators};

const DENIAL_TIMEOUT: Duration = Duration::from_mins(10);
/// How long a tag that IAM has seen may stay away from what EC2 shows.
const TAGS_SHOW: Duration = Duration::from_secs(10);
/// IAM compares tag keys without case, and the policy with case. So the guard protects an instance
/// with this tag, and the instance still violates the policy.
const GUARDED: &str = "special_exception";

fn denied() -> Rule {
    Rule::on("StopInstances").fault(Fault::error(403, "UnauthorizedOperation"))
}

/// A world whose role may not stop instances with the tag.
fn guarded() -> World {
    World::with(Options { guard_tag: Some(TAG.to_owned()), ..Options::default() })
}

/// Adds the tag between the look and the stop, and expects no stop and no notice of the instance.
async fn exempted_at_the_last_moment(others: usize, before: usize) {
    let mut world = guarded();
    world.start();
    let mut stopped = violators(&world, before);
    world.all_settled().await;
    world.drain().await;
    let id = world.violator();
    stopped.extend(violators(&world, others));
    let hook = Fault::run(tagging(&id));
    world.aws.inject(Rule::on("StopInstances").naming(&id).fault(hook).times(1));
    world.start();
    world.all_settled().await;
    world.drain().await;
    assert!(world.is_running(&id));
    assert_ne!(world.stops_of(&id), 0, "no stop was tried");
    assert_eq!(world.texts(), notices(&stopped, None));
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_arrives_between_look_and_stop_exempts() {
    exempted_at_the_last_moment(0, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_arrives_before_a_stop_of_many_exempts_only_its_own() {
    exempted_at_the_last_moment(30, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_tag_exempts_although_the_role_works_for_others() {
    let world = gathering(guarded()).await;
    let first = violators(&world, 3);
    world.notices(3).await;
    let late = world.aws.launch(Launch::default());
    let hook = Fault::run(tagging(&late));
    world.aws.inject(Rule::on("StopInstances").naming(&late).fault(hook).times(1));
    world.all_settled().await;
    assert!(world.is_running(&late));
    assert_eq!(world.texts(), notices(&first, None));
}

#[tokio::test(start_paused = true)]
async fn a_stop_denied_to_a_role_that_stops_others_is_refused_after_a_second_look() {
    let world = World::new().started();
    let before = violators(&world, 1);
    world.notices(1).await;
    let id = world.aws.launch(Launch::default().quiet());
    world.aws.inject(denied().naming(&id));
    world.aws.send(&world.aws.event(&id));
    let sent = tokio::time::Instant::now();
    world.all_settled().await;
    let took = sent.elapsed();
    assert!((TAGS_SHOW..TAGS_SHOW + Duration::from_secs(2)).contains(&took), "took {took:?}");
    assert_eq!(world.texts(), notices(&before, Some((&id, "access denied"))));
}

#[tokio::test(start_paused = true)]
async fn a_broken_role_keeps_the_violators_held_and_is_tried_again() {
    let mut world = World::new();
    world.aws.inject(denied());
    let ids = violators(&world, 5);
    world.start();
    pass(DENIAL_TIMEOUT.mul_f64(0.98)).await;
    assert!(world.aws.notices().is_empty());
    assert_eq!(world.aws.messages().len(), ids.len());
    assert!(world.aws.messages().iter().all(Message::is_held));
    assert_eq!(world.most_receives(), 1);
    assert!(world.calls("StopInstances") >= 50, "{} stops", world.calls("StopInstances"));
}

#[tokio::test(start_paused = true)]
async fn instances_that_became_exempt_hold_up_no_other_behind_a_broken_role() {
    let mut world = World::new();
    world.aws.inject(denied());
    let ids = violators(&world, 30);
    world.start();
    pass(Duration::from_mins(2)).await;
    for id in &ids {
        world.aws.tag(id, TAG, "");
    }
    world.all_settled_within(Duration::from_secs(15)).await;
    assert!(world.aws.notices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pause_among_denied_stops_is_followed_by_no_storm_of_them() {
    let mut world = World::new().set("ENFORCER_POLICY__DENIAL_TIMEOUT_SECS", "3600");
    let denial = world.aws.inject(denied());
    violators(&world, 200);
    world.start();
    pass(Duration::from_mins(1)).await;
    world.aws.lift(denial);
    let expired = Fault::error(403, "ExpiredToken");
    let expired = world.aws.inject(Rule::on("StopInstances").fault(expired));
    pass(Duration::from_mins(10)).await;
    world.aws.lift(expired);
    world.aws.inject(denied());
    let before = world.calls("StopInstances");
    pass(Duration::from_secs(20)).await;
    let stops = world.calls("StopInstances") - before;
    assert!((1..=15).contains(&stops), "{stops} stops");
    let gauges = world.health.scrape();
    let waiting = gauges.lines().find(|line| line.starts_with("enforcer_denied_stops{"));
    assert!(waiting.is_some_and(|line| line.ends_with(" 200")), "{waiting:?}");
}

#[tokio::test(start_paused = true)]
async fn a_role_broken_for_ten_minutes_is_announced() {
    let mut world = World::new();
    world.aws.inject(denied());
    let mut texts: Vec<_> = violators(&world, 5)
        .into_iter()
        .map(|id| format!("EC2 {id} NOT stopped: access denied"))
        .collect();
    texts.sort();
    world.start();
    world.all_settled_within(DENIAL_TIMEOUT + Duration::from_secs(30)).await;
    assert_eq!(world.texts(), texts);
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_role_repaired_within_ten_minutes_stops_what_waited() {
    let mut world = World::new();
    world.aws.inject(denied());
    let ids = violators(&world, 5);
    world.start();
    pass(DENIAL_TIMEOUT / 2).await;
    world.aws.lift_all();
    world.all_settled().await;
    assert_eq!(world.texts(), notices(&ids, None));
    assert_eq!(world.most_receives(), 1);
}

/// A role that stops others, and a violator that gets its tag right before its stop. EC2 shows the
/// tag some seconds later than IAM.
async fn tagged_before_the_stop() -> (World, String) {
    // Short polls, since a drain waits for those in flight.
    let world = guarded().set("ENFORCER_QUEUE__WAIT_SECS", "1").started();
    violators(&world, 1);
    world.notices(1).await;
    let id = world.aws.launch(Launch::default().quiet());
    let hook = Fault::run(tagging(&id));
    world.aws.inject(Rule::on("StopInstances").naming(&id).fault(hook).times(1));
    world.aws.inject(Rule::on("DescribeInstances").fault(Fault::Lag(TAGS_SHOW.mul_f64(0.8))));
    pass(TAGS_SHOW).await;
    world.aws.send(&world.aws.event(&id));
    (world, id)
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_iam_sees_seconds_before_a_look_does_exempts() {
    let (world, id) = tagged_before_the_stop().await;
    world.all_settled().await;
    assert!(world.is_running(&id));
    assert_eq!((world.stops_of(&id), world.aws.notices().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_until_a_tag_shows() {
    let (mut world, id) = tagged_before_the_stop().await;
    world.aws.until("its stop is denied", |_| world.stops_of(&id) == 1).await;
    pass(Duration::from_secs(1)).await;
    let began = Instant::now();
    let drained = world.drain().await;
    assert_eq!(drained.counts.handed_back, 1);
    assert!(began.elapsed() <= Duration::from_secs(5), "took {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn new_violators_do_not_wait_until_a_tag_shows() {
    let world = guarded().set("ENFORCER_SIZES__ENFORCERS", "1").started();
    violators(&world, 1);
    world.notices(1).await;
    let guarded = world.aws.launch(Launch::default().tagged(GUARDED, ""));
    world.aws.until("its stop is denied", |_| world.stops_of(&guarded) == 1).await;
    let id = world.violator();
    let began = Instant::now();
    world.notices(2).await;
    assert!(!world.is_running(&id));
    assert!(began.elapsed() <= TAGS_SHOW, "took {:?}", began.elapsed());
}

/// Ten violators in one batch. Those at these places in the order of ids are guarded.
async fn partly_guarded(places: &[usize]) -> (World, Vec<String>, Vec<String>) {
    let world = gathering(guarded()).await;
    let mut ids: Vec<_> = (0..10).map(|_| world.aws.launch(Launch::default().quiet())).collect();
    ids.sort();
    let guarded: Vec<_> = places.iter().map(|place| ids[*place].clone()).collect();
    for id in &guarded {
        world.aws.tag(id, GUARDED, "");
    }
    for id in &ids {
        world.aws.send(&world.aws.event(id));
    }
    ids.retain(|id| !guarded.contains(id));
    (world, ids, guarded)
}

fn all_texts(stopped: &[String], refused: &[String]) -> Vec<String> {
    let refused = refused.iter().map(|id| format!("EC2 {id} NOT stopped: access denied"));
    let mut texts: Vec<_> = notices(stopped, None).into_iter().chain(refused).collect();
    texts.sort();
    texts
}

#[tokio::test(start_paused = true)]
async fn guarded_instances_are_told_from_those_that_the_role_can_stop() {
    for places in [&[0][..], &[9], &[0, 9], &[0, 1, 2, 3]] {
        let (world, stoppable, guarded) = partly_guarded(places).await;
        let began = Instant::now();
        world.all_settled().await;
        assert_eq!(world.texts(), all_texts(&stoppable, &guarded), "{places:?}");
        assert!(began.elapsed() <= Duration::from_secs(40), "took {:?}", began.elapsed());
        assert_eq!(world.most_receives(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plain_violator_does_not_wait_behind_guarded_ones() {
    let mut world = guarded();
    world.start();
    for _ in 0..3 {
        world.aws.launch(Launch::default().tagged(GUARDED, ""));
        pass(Duration::from_secs(3)).await;
    }
    let id = world.violator();
    let began = Instant::now();
    world.aws.until("it is stopped", |aws| !aws.calls("StopInstances").is_empty()).await;
    while world.is_running(&id) {
        pass(Duration::from_millis(100)).await;
    }
    assert!(began.elapsed() <= Duration::from_secs(3), "took {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_sent_again_after_the_role_was_repaired_is_judged_anew() {
    let mut world = World::new();
    let denial = world.aws.inject(denied());
    let id = world.aws.launch(Launch::default().quiet());
    let event = world.aws.event(&id);
    world.aws.send(&event);
    world.start();
    world.all_settled_within(DENIAL_TIMEOUT + Duration::from_secs(30)).await;
    world.aws.lift(denial);
    world.aws.send(&event);
    world.all_settled().await;
    assert!(!world.is_running(&id));
    let refused = format!("EC2 {id} NOT stopped: access denied");
    assert_eq!(world.texts(), [refused, format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_that_comes_again_is_not_announced_again() {
    let mut world = World::new();
    let code = "ReceiptHandleIsInvalid".to_owned();
    let lost = Fault::Entries { count: 1, code, sender_fault: true };
    world.aws.inject(Rule::on("DeleteMessageBatch").fault(lost).times(1));
    world.aws.launch(Launch::default().managed());
    world.start();
    world.all_settled_within(Duration::from_mins(2)).await;
    assert_eq!(world.most_receives(), 2);
    assert_eq!(world.aws.notices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_owner_is_notified_of_a_broken_role_soon_after_ten_minutes() {
    let mut world = World::new();
    world.aws.inject(denied());
    let ids = violators(&world, 300);
    world.start();
    world.all_settled_within(DENIAL_TIMEOUT + Duration::from_mins(1)).await;
    assert_eq!(world.texts(), all_texts(&[], &ids));
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broken_role_with_many_violators_causes_few_stop_calls() {
    let mut world = World::new();
    world.aws.inject(denied());
    violators(&world, 300);
    world.start();
    pass(DENIAL_TIMEOUT.mul_f64(0.9)).await;
    assert!(world.calls("StopInstances") <= 100, "{} stops", world.calls("StopInstances"));
}

#[tokio::test(start_paused = true)]
async fn a_drain_hands_back_what_is_denied() {
    let mut world = World::new();
    world.aws.inject(denied());
    violators(&world, 20);
    world.start();
    pass(Duration::from_mins(1)).await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert_eq!(drained.counts.handed_back, 20);
}
