//! Policies with a grace: owners are told of a stop beforehand, and nobody is stopped unheard.

use std::time::{Duration, SystemTime};

use ec2_policy_enforcer::daemon::Error;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Message, Options, Rule, Service};
use time::UtcDateTime;
use tokio::time::Instant;

use crate::scrape::Scrape;
use crate::world::{TAG, World, pass};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const GRACE: Duration = HOUR;
/// The least time between a notice of a stop and the stop.
const MIN_NOTICE: Duration = Duration::from_mins(10);
/// How much later than announced a stop may be: SQS and the dates of its answers count in seconds.
const LATE: Duration = Duration::from_secs(10);

/// The world with a grace of the built-in policy. Its daemon polls with one task alone: hours pass.
fn giving(grace: Duration, world: World) -> World {
    let secs = format!("{}s", grace.as_secs());
    let world = world.set("ENFORCER_POLICY__GRACE", &secs).set("ENFORCER_SIZES__POLLERS", "1");
    world.set("ENFORCER_POLICY__SINCE", "2020-01-01")
}

fn with_grace(grace: Duration) -> World {
    giving(grace, World::with(options()))
}

/// Half a minute after a full one: the times of notices are in minutes, and what is told within
/// some seconds is told with the same one.
fn options() -> Options {
    let began = SystemTime::UNIX_EPOCH + Duration::from_hours(495_000) + 30 * SECOND;
    Options { began: Some(began), ..Options::default() }
}

/// The notice of a stop that is planned for a time after a moment.
fn told(world: &World, id: &str, at: Instant) -> String {
    let at = UtcDateTime::from(world.aws.clock().wall(at));
    let (date, hour, minute) = (at.date(), at.hour(), at.minute());
    let day = format!("{}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
    format!("EC2 {id} will be stopped at {day}T{hour:02}:{minute:02}Z")
}

/// The first lines of all notices, in the order of their publication.
fn notices(world: &World) -> Vec<String> {
    let notices = world.aws.notices().into_iter();
    notices.map(|notice| notice.message.lines().next().unwrap().to_owned()).collect()
}

/// Expects one stop, of one instance, which was running, at this time or some seconds after it.
fn was_stopped_at(world: &World, id: &str, at: Instant) {
    let calls = world.aws.calls("StopInstances");
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].stopped, [id]);
    // The time of an event is in whole seconds.
    let (earliest, latest) = (at - SECOND, at + LATE);
    let stop = calls[0].at;
    assert!((earliest..=latest).contains(&stop), "{:?} after", stop.duration_since(earliest));
}

#[tokio::test(start_paused = true)]
async fn an_owner_is_told_once_and_the_instance_stopped_when_the_grace_is_over() {
    let mut world = with_grace(GRACE).started();
    let (id, began) = (world.violator(), Instant::now());
    let due = began + GRACE;
    pass(59 * MINUTE + 55 * SECOND).await;
    assert_eq!(notices(&world), [told(&world, &id, due)]);
    assert!(world.is_running(&id) && world.calls("StopInstances") == 0);
    assert!(world.aws.messages()[0].is_held());
    pass(MINUTE).await;
    was_stopped_at(&world, &id, due);
    assert_eq!(notices(&world), [told(&world, &id, due), format!("EC2 {id} Stopped")]);
    assert_eq!(world.aws.depth(), 0);
    // Just started, planned, stopped.
    assert_eq!(world.most_receives(), 3);
    let text = &world.aws.notices()[0].message;
    assert_eq!(
        text.lines().last().unwrap(),
        format!("To exempt the instance, give it the tag {TAG}.")
    );
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn a_planned_message_is_held_by_nobody_and_its_lease_is_not_renewed() {
    let world = with_grace(GRACE).started();
    world.violator();
    pass(10 * MINUTE).await;
    let scrape = Scrape::read(&world.health.scrape());
    assert_eq!(scrape.sum("enforcer_leases_held", &[]), 0);
    let before = world.timeouts();
    pass(GRACE / 2).await;
    assert_eq!(world.timeouts(), before);
    assert_eq!(before.len(), 2, "just started, and planned: {before:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_exempt_when_the_grace_is_over_is_not_stopped() {
    let world = with_grace(GRACE).started();
    let id = world.violator();
    pass(GRACE / 2).await;
    world.aws.tag(&id, TAG, "");
    pass(GRACE).await;
    assert!(world.is_running(&id));
    assert_eq!(world.calls("StopInstances"), 0);
    let called_off = format!("EC2 {id} will NOT be stopped: it has the tag {TAG}");
    assert_eq!((&notices(&world)[1], world.aws.depth()), (&called_off, 0));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_terminated_within_the_grace_is_forgotten() {
    let world = with_grace(GRACE).started();
    let id = world.violator();
    pass(GRACE / 2).await;
    world.aws.terminate(&id);
    pass(GRACE).await;
    assert_eq!(world.calls("StopInstances"), 0);
    assert_eq!((world.aws.notices().len(), world.aws.depth()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_from_the_future_does_not_put_the_stop_off() {
    let world = with_grace(GRACE).started();
    let id = world.aws.launch(Launch::default().quiet());
    let due = Instant::now() + GRACE;
    let event = world.altered_event(&id, |event| event["time"] = "2099-01-01T00:00:00Z".into());
    world.aws.send(&event);
    pass(GRACE + MINUTE).await;
    was_stopped_at(&world, &id, due);
    assert_eq!(notices(&world), [told(&world, &id, due), format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_the_stop_of_an_instance_that_is_stopped() {
    let world = with_grace(GRACE).started();
    let id = world.violator();
    pass(MINUTE).await;
    world.aws.stop(&id);
    pass(GRACE).await;
    assert_eq!(notices(&world), [""; 0]);
    assert_eq!((world.calls("StopInstances"), world.aws.depth()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_stops_a_planned_instance_himself_hears_no_more_however_short_the_grace() {
    let world = with_grace(4 * MINUTE).set("ENFORCER_POLICY__MIN_NOTICE", "1m").started();
    let (id, due) = (world.violator(), Instant::now() + 4 * MINUTE);
    pass(3 * MINUTE).await;
    assert_eq!(notices(&world), [told(&world, &id, due)]);
    world.aws.stop(&id);
    pass(10 * MINUTE).await;
    assert_eq!(notices(&world).len(), 1);
    assert_eq!((world.calls("StopInstances"), world.aws.depth()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_new_launch_within_the_grace_has_a_grace_of_its_own() {
    let world = with_grace(GRACE).started();
    let (id, first) = (world.violator(), Instant::now());
    pass(GRACE / 4).await;
    world.aws.stop(&id);
    pass(GRACE / 4).await;
    world.aws.start(&id);
    let second = Instant::now();
    pass(GRACE + MINUTE).await;
    was_stopped_at(&world, &id, second + GRACE);
    let [first, second] = [first, second].map(|at| told(&world, &id, at + GRACE));
    assert_eq!(notices(&world), [first, second, format!("EC2 {id} Stopped")]);
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_leaves_a_planned_message_hidden_and_the_next_process_tells_again() {
    let mut world = with_grace(GRACE).started();
    let (id, began) = (world.violator(), Instant::now());
    pass(GRACE / 2).await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert_eq!((drained.counts.planned, drained.counts.handed_back), (1, 0));
    assert_eq!(drained.counts.backing_off, 0, "{drained:?}");
    assert!(world.aws.messages()[0].is_held());
    assert!(world.timeouts().iter().all(|secs| *secs > 0));
    world.start();
    pass(GRACE / 2 + MINUTE).await;
    assert_eq!(world.aws.notices().len(), 2, "{:?}", notices(&world));
    let again = world.aws.notices()[1].at;
    assert!(again >= began + GRACE - SECOND);
    pass(MIN_NOTICE + MINUTE).await;
    was_stopped_at(&world, &id, again + MIN_NOTICE);
    let [first, second] = [began + GRACE, again + MIN_NOTICE].map(|at| told(&world, &id, at));
    assert_eq!(notices(&world), [first, second, format!("EC2 {id} Stopped")]);
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_while_the_owner_is_told_hides_the_message_all_the_same() {
    let mut world = with_grace(GRACE);
    let slow = Rule::on("PublishBatch").fault(Fault::Delay(5 * SECOND));
    world.aws.inject(slow);
    world.start();
    world.violator();
    while world.calls("PublishBatch") == 0 {
        pass(SECOND).await;
    }
    let drained = world.drain().await;
    assert!(drained.complete());
    assert_eq!((drained.counts.planned, drained.counts.handed_back), (1, 0));
    assert_eq!(world.aws.notices().len(), 1);
    assert!(world.timeouts().last().is_some_and(|secs| *secs > 3000));
}

#[tokio::test(start_paused = true)]
async fn a_grace_of_20_h_takes_two_hidings_and_one_notice() {
    let world = with_grace(20 * HOUR).started();
    let (id, due) = (world.violator(), Instant::now() + 20 * HOUR);
    pass(19 * HOUR + 59 * MINUTE).await;
    assert_eq!(notices(&world), [told(&world, &id, due)]);
    assert_eq!(world.calls("StopInstances"), 0);
    assert_eq!(world.timeouts().len(), 3, "just started, planned, planned: {:?}", world.timeouts());
    pass(2 * MINUTE).await;
    was_stopped_at(&world, &id, due);
    assert_eq!((world.aws.notices().len(), world.aws.depth()), (2, 0));
    assert_eq!(world.most_receives(), 4);
}

#[tokio::test(start_paused = true)]
async fn duplicates_of_a_planned_event_wait_with_it_and_nobody_is_told_twice() {
    let world = with_grace(GRACE).started();
    let id = world.aws.launch(Launch::default().quiet());
    let (event, due) = (world.aws.event(&id), Instant::now() + GRACE);
    let joined: Vec<_> = (0..3).map(|_| world.aws.send(&event)).collect();
    pass(GRACE / 4).await;
    let later = world.aws.send(&event);
    pass(MINUTE).await;
    assert_eq!(notices(&world), [told(&world, &id, due)]);
    assert!(world.aws.messages().iter().all(Message::is_held));
    assert!(joined.iter().all(|message| world.receives_of(message) == 2));
    assert_eq!(world.receives_of(&later), 1);
    pass(GRACE).await;
    was_stopped_at(&world, &id, due);
    assert_eq!(notices(&world).len(), 2, "{:?}", notices(&world));
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn another_event_of_a_planned_launch_is_not_needed() {
    let world = with_grace(GRACE).started();
    let (id, due) = (world.violator(), Instant::now() + GRACE);
    pass(GRACE / 4).await;
    let other = world.altered_event(&id, |event| {
        let earlier = UtcDateTime::from(world.aws.clock().wall(Instant::now() - GRACE / 4));
        let earlier = earlier.truncate_to_second();
        event["time"] =
            earlier.format(&time::format_description::well_known::Rfc3339).unwrap().into();
    });
    world.aws.send(&other);
    pass(MINUTE).await;
    assert_eq!(world.aws.depth(), 1);
    pass(GRACE).await;
    was_stopped_at(&world, &id, due);
    assert_eq!((world.aws.notices().len(), world.aws.depth()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn two_events_of_a_launch_at_the_same_time_tell_its_owner_once() {
    let mut world = with_grace(GRACE);
    world.aws.latency("PublishBatch", 5 * SECOND);
    let id = world.aws.launch(Launch::default().quiet());
    let due = Instant::now() + GRACE;
    (0..2).for_each(|_| drop(world.aws.send(&world.aws.event(&id))));
    world.start();
    pass(GRACE / 2).await;
    assert_eq!(notices(&world), [told(&world, &id, due)]);
    assert_eq!(world.aws.depth(), 1);
    pass(GRACE).await;
    was_stopped_at(&world, &id, due);
    assert_eq!((world.aws.notices().len(), world.aws.depth()), (2, 0));
}

const SMALL: &str = r#"
@id("small")
@mode("enforce")
forbid (principal, action == Action::"run", resource)
unless { resource.instanceType == "t3.micro" };
"#;

#[tokio::test(start_paused = true)]
async fn a_policy_without_a_grace_stops_at_once_beside_one_with_a_grace() {
    let world = with_grace(GRACE).set("ENFORCER_POLICY__INLINE", SMALL).started();
    let large = world.aws.launch(Launch::default().instance_type("m5.large"));
    let small = world.aws.launch(Launch::default().instance_type("t3.micro"));
    let due = Instant::now() + GRACE;
    pass(MINUTE).await;
    assert_eq!(notices(&world), [format!("EC2 {large} Stopped")]);
    assert!(world.is_running(&small));
    pass(10 * MINUTE).await;
    assert_eq!(notices(&world)[1..], [told(&world, &small, due)]);
    pass(GRACE).await;
    assert!(!world.is_running(&small));
    assert_eq!((world.aws.notices().len(), world.aws.depth()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_could_not_be_told_is_when_sns_is_back_and_stopped_ten_minutes_later() {
    let world = with_grace(GRACE).started();
    let outage = world.aws.inject(Rule::on_service(Service::Sns));
    let id = world.violator();
    pass(2 * GRACE).await;
    assert!(world.is_running(&id));
    assert_eq!(world.calls("StopInstances"), 0);
    world.aws.lift(outage);
    pass(5 * MINUTE).await;
    let at = world.aws.notices()[0].at;
    assert_eq!(notices(&world), [told(&world, &id, at + MIN_NOTICE)]);
    pass(10 * MINUTE).await;
    was_stopped_at(&world, &id, at + MIN_NOTICE);
    assert_eq!((world.aws.notices().len(), world.aws.depth()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_kept_by_aws_s_clock() {
    let options = Options { date_ahead: Some(Duration::ZERO), ..options() };
    let world = giving(GRACE, World::with(options));
    let world = world.with_clock_ahead(3 * HOUR).started();
    let (id, due) = (world.violator(), Instant::now() + GRACE);
    pass(GRACE + MINUTE).await;
    was_stopped_at(&world, &id, due);
    assert_eq!(notices(&world), [told(&world, &id, due), format!("EC2 {id} Stopped")]);
    assert_eq!(world.most_receives(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_sqs_cannot_hide_is_hidden_when_it_can() {
    let world = with_grace(GRACE).started();
    let (id, due) = (world.violator(), Instant::now() + GRACE);
    pass(MINUTE).await;
    let failing = Fault::error(500, "InternalError");
    world.aws.inject(Rule::on("ChangeMessageVisibilityBatch").fault(failing).times(5));
    pass(GRACE + MINUTE).await;
    was_stopped_at(&world, &id, due);
    assert_eq!(world.aws.notices().len(), 2);
    assert_eq!(world.most_receives(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_planned_stop_is_counted_apart_and_its_violation_once() {
    let mut world = with_grace(20 * HOUR).started();
    world.violator();
    pass(19 * HOUR + 59 * MINUTE).await;
    let sum = |name: &str, labels: &[&str]| Scrape::read(&world.health.scrape()).sum(name, labels);
    assert_eq!(sum("enforcer_dispositions_total", &["\"hide\""]), 2);
    assert_eq!(sum("enforcer_events_total", &["\"planned\""]), 2);
    assert_eq!(sum("enforcer_notices_total", &["\"planned\""]), 1);
    assert_eq!(sum("enforcer_event_age_seconds_count", &[]), 0);
    assert_eq!(sum("enforcer_policy_violations_total", &[]), 0);
    pass(2 * MINUTE).await;
    assert_eq!(sum("enforcer_policy_violations_total", &["\"builtin\""]), 1);
    assert_eq!(sum("enforcer_event_age_seconds_count", &["\"stopped\""]), 1);
    assert_eq!(world.drain().await.counts.planned, 0);
}

#[tokio::test(start_paused = true)]
async fn a_grace_that_the_queue_cannot_wait_for_is_refused_at_the_start() {
    let mut world = with_grace(7 * 24 * HOUR).started();
    let Err(Error::Policies(refusal)) = world.end().await else { panic!("it started") };
    let refusal = refusal.to_string();
    assert!(refusal.starts_with("policy.grace = \"7d\": messages wait for 7 d"), "{refusal}");
    assert_eq!(world.calls("ReceiveMessage"), 0);
}
