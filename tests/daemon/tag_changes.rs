//! Changes of tags: planned stops are called off by them, and other instances are looked at when
//! their tags have settled.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};
use tokio::time::Instant;

use crate::world::{TAG, World, pass};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_hours(1);
/// How long an instance whose tags changed is left alone, unless its stop is planned.
const SETTLE: Duration = Duration::from_mins(5);

/// A world in which changes of tags count.
fn following(world: World) -> World {
    world.set("ENFORCER_POLICY__TAG_CHANGES", "true").set("ENFORCER_SIZES__POLLERS", "1")
}

fn with_grace() -> World {
    let world = following(World::new()).set("ENFORCER_POLICY__GRACE", "1h");
    world.set("ENFORCER_POLICY__SINCE", "2020-01-01")
}

/// Tells the daemon that tags with these keys have changed. Returns the message's id.
fn report(world: &World, id: &str, keys: &[&str]) -> String {
    world.aws.send(&world.aws.tag_event(id, keys))
}

fn tag(world: &World, id: &str) {
    world.aws.tag(id, TAG, "");
    report(world, id, &[TAG]);
}

/// The first lines of all notices, in the order of their publication, without times.
fn notices(world: &World) -> Vec<String> {
    let notices = world.aws.notices().into_iter();
    let lines = notices.map(|notice| notice.message.lines().next().unwrap().to_owned());
    lines.map(|line| line.split(" at ").next().unwrap().to_owned()).collect()
}

fn planned(id: &str) -> String {
    format!("EC2 {id} will be stopped")
}

fn called_off(id: &str) -> String {
    format!("EC2 {id} will NOT be stopped: it has the tag {TAG}")
}

#[tokio::test(start_paused = true)]
async fn a_tag_calls_a_planned_stop_off_within_two_seconds() {
    let mut world = with_grace().with_usual_latencies().started();
    let id = world.violator();
    pass(10 * MINUTE).await;
    let tagged = Instant::now();
    tag(&world, &id);
    let all = world.notices(2).await;
    assert_eq!(notices(&world), [planned(&id), called_off(&id)]);
    assert!(all[1].at - tagged <= 2 * SECOND, "after {:?}", all[1].at - tagged);
    world.all_settled().await;
    pass(2 * GRACE).await;
    assert_eq!((world.calls("StopInstances"), world.aws.notices().len()), (0, 2));
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_called_off_is_planned_anew_when_the_tag_is_gone() {
    let world = with_grace().started();
    let id = world.violator();
    pass(10 * MINUTE).await;
    tag(&world, &id);
    pass(MINUTE).await;
    world.aws.untag(&id, TAG);
    report(&world, &id, &[TAG]);
    let untagged = Instant::now();
    pass(SETTLE + MINUTE).await;
    assert_eq!(notices(&world), [planned(&id), called_off(&id), planned(&id)]);
    pass(GRACE).await;
    assert_eq!(world.stops_of(&id), 1);
    let stop = &world.aws.calls("StopInstances")[0];
    assert!(stop.at - untagged + 15 * MINUTE >= GRACE, "{:?}", stop.at - untagged);
    assert_eq!(notices(&world)[3], format!("EC2 {id} Stopped"));
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_sent_again_after_its_stop_was_called_off_is_judged_anew() {
    let world = with_grace().started();
    let id = world.aws.launch(Launch::default().quiet());
    let event = world.aws.event(&id);
    world.aws.send(&event);
    pass(10 * MINUTE).await;
    world.aws.tag(&id, TAG, "");
    pass(GRACE).await;
    world.aws.untag(&id, TAG);
    world.aws.send(&event);
    pass(GRACE).await;
    let stopped = format!("EC2 {id} Stopped");
    assert_eq!(notices(&world), [planned(&id), called_off(&id), planned(&id), stopped]);
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_does_not_exempt_leaves_the_plan_as_it_is() {
    let world = with_grace().started();
    let (id, began) = (world.violator(), Instant::now());
    pass(10 * MINUTE).await;
    // The event says what EC2 does not show.
    world.aws.tag(&id, TAG, "");
    let event = world.aws.tag_event(&id, &[TAG]);
    world.aws.untag(&id, TAG);
    let message = world.aws.send(&event);
    pass(MINUTE).await;
    assert_eq!(world.receives_of(&message), 2, "one more look after 10 s");
    assert_eq!(notices(&world), [planned(&id)]);
    pass(GRACE).await;
    assert_eq!(notices(&world), [planned(&id), format!("EC2 {id} Stopped")]);
    assert!(world.aws.calls("StopInstances")[0].at - began + SECOND >= GRACE);
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_ec2_shows_late_calls_the_stop_off_at_the_second_look() {
    let world = with_grace().started();
    let id = world.violator();
    pass(10 * MINUTE).await;
    world.aws.tag(&id, TAG, "");
    let event = world.aws.tag_event(&id, &[TAG]);
    world.aws.untag(&id, TAG);
    world.aws.send(&event);
    pass(5 * SECOND).await;
    world.aws.tag(&id, TAG, "");
    pass(15 * SECOND).await;
    assert_eq!(notices(&world), [planned(&id), called_off(&id)]);
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_exempt_at_the_deadline_is_told_so_without_an_event() {
    let world = with_grace().started();
    let id = world.violator();
    pass(10 * MINUTE).await;
    world.aws.tag(&id, TAG, "");
    pass(GRACE).await;
    assert_eq!(notices(&world), [planned(&id), called_off(&id)]);
    assert_eq!((world.calls("StopInstances"), world.aws.depth()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_comes_while_the_owner_is_told_calls_off_after_that() {
    let world = with_grace();
    let slow = Rule::on("PublishBatch").fault(Fault::Delay(5 * SECOND));
    world.aws.inject(slow.times(1));
    let world = world.started();
    let id = world.violator();
    while world.calls("PublishBatch") == 0 {
        pass(SECOND).await;
    }
    tag(&world, &id);
    pass(30 * SECOND).await;
    assert_eq!(notices(&world), [planned(&id), called_off(&id)]);
    world.all_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_called_off_stop_never_takes_place_though_sns_answered_nothing() {
    let world = with_grace().started();
    let id = world.violator();
    pass(10 * MINUTE).await;
    world.aws.tag(&id, TAG, "");
    // The owners get the notice; the daemon does not hear of that until the deadline is over.
    world.aws.inject(Rule::on("PublishBatch").fault(Fault::HangAfter));
    report(&world, &id, &[TAG]);
    pass(MINUTE).await;
    world.aws.untag(&id, TAG);
    pass(2 * GRACE).await;
    assert_eq!(world.calls("StopInstances"), 0, "{:?}", notices(&world));
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_a_plan_is_looked_at_when_its_tags_have_settled() {
    let world = following(World::new()).started();
    let id = world.exempt();
    pass(10 * MINUTE).await;
    let looks = world.ec2_calls().len();
    world.aws.untag(&id, TAG);
    let message = report(&world, &id, &[TAG]);
    let changed = Instant::now();
    pass(SETTLE.saturating_sub(10 * SECOND)).await;
    assert_eq!(world.ec2_calls().len(), looks);
    pass(30 * SECOND).await;
    assert_eq!(world.stops_of(&id), 1);
    assert!(world.aws.calls("StopInstances")[0].at - changed + SECOND >= SETTLE);
    assert_eq!(notices(&world), [format!("EC2 {id} Stopped")]);
    assert_eq!((world.receives_of(&message), world.aws.depth()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn tags_that_are_removed_and_set_again_do_no_harm() {
    let world = following(World::new()).started();
    let id = world.exempt();
    pass(10 * MINUTE).await;
    world.aws.untag(&id, TAG);
    report(&world, &id, &[TAG]);
    pass(MINUTE).await;
    tag(&world, &id);
    pass(20 * MINUTE).await;
    assert_eq!((world.calls("StopInstances"), world.aws.notices().len()), (0, 0));
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_policy_mentions_costs_no_call_to_ec2() {
    let world = following(World::new()).started();
    let id = world.exempt();
    pass(10 * MINUTE).await;
    let looks = world.ec2_calls().len();
    report(&world, &id, &["Name", "special_exception"]);
    pass(10 * MINUTE).await;
    assert_eq!((world.ec2_calls().len(), world.aws.depth()), (looks, 0));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_does_not_run_is_left_in_silence() {
    let world = following(World::new()).started();
    let id = world.aws.launch(Launch::default().tagged(TAG, ""));
    pass(MINUTE).await;
    world.aws.stop(&id);
    world.aws.untag(&id, TAG);
    report(&world, &id, &[TAG]);
    pass(10 * MINUTE).await;
    assert_eq!((world.calls("StopInstances"), world.aws.notices().len()), (0, 0));
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_without_an_answer_is_announced_after_a_change_of_tags_too() {
    let world = following(World::new()).started();
    let id = world.exempt();
    pass(MINUTE).await;
    world.aws.inject(Rule::on("StopInstances").fault(Fault::HangAfter).times(1));
    world.aws.untag(&id, TAG);
    report(&world, &id, &[TAG]);
    pass(15 * MINUTE).await;
    assert_eq!(notices(&world), [format!("EC2 {id} Stopped")]);
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_was_warned_is_not_warned_again_by_every_change_of_tags() {
    let world = following(World::new()).set("ENFORCER_POLICY__MODE", "warn").started();
    let id = world.violator();
    pass(MINUTE).await;
    for value in ["a", "b"] {
        world.aws.tag(&id, "Name", value);
        report(&world, &id, &[TAG]);
        pass(10 * MINUTE).await;
    }
    assert_eq!(notices(&world), [format!("EC2 {id} violates builtin")]);
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn changes_of_tags_are_ignored_by_default() {
    let world = World::new().started();
    let id = world.exempt();
    pass(MINUTE).await;
    let looks = world.ec2_calls().len();
    world.aws.untag(&id, TAG);
    report(&world, &id, &[TAG]);
    pass(20 * MINUTE).await;
    assert_eq!((world.ec2_calls().len(), world.aws.depth()), (looks, 0));
}
