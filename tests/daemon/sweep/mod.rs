//! The sweep: finds the violators that events missed, and leaves the others alone.

mod accounts;
mod beside;
mod expiry;
mod told;
mod worlds;

use std::time::{Duration, SystemTime};

use ec2_policy_enforcer::domain::ids::Region;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Sandbox};
use ec2_policy_enforcer::settings::Live;

use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use crate::audit::Trail;
use crate::scrape::Scrape;
use crate::world::{TAG, World, notices, pass};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(7 * 24);
const EVERY: &str = "ENFORCER_SWEEP__EVERY";

/// A world with a sweep so often. Its daemon polls with one task alone: days pass.
fn sweeping(every: &str) -> World {
    World::new().set(EVERY, every).set("ENFORCER_SIZES__POLLERS", "1")
}

/// Launches an instance without the tag, whose event is lost.
fn unheard(world: &World) -> String {
    world.aws.launch(Launch::default().tagged("Name", "web").quiet())
}

fn rfc3339(at: SystemTime) -> String {
    UtcDateTime::from(at).truncate_to_second().format(&Rfc3339).unwrap()
}

fn metric(world: &World, name: &str, labels: &[&str]) -> usize {
    Scrape::read(&world.health.scrape()).sum(name, labels)
}

/// How many calls listed running instances.
fn pages(world: &World) -> usize {
    let calls = world.aws.calls("DescribeInstances").into_iter();
    calls.filter(|call| call.subjects.is_empty()).count()
}

#[tokio::test(start_paused = true)]
async fn a_violator_whose_event_is_lost_is_stopped_and_announced() {
    let mut world = sweeping("1h").started();
    pass(MINUTE).await;
    let (id, exempt) =
        (unheard(&world), world.aws.launch(Launch::default().tagged(TAG, "").quiet()));
    pass(2 * HOUR).await;
    assert!(!world.is_running(&id) && world.is_running(&exempt));
    assert_eq!(world.texts(), notices(std::slice::from_ref(&id), None));
    assert_eq!(world.stops_of(&id), 1);
    assert_eq!(metric(&world, "enforcer_missed_starts_total", &[]), 1);
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn what_ran_before_the_daemon_and_lacks_the_tag_is_stopped() {
    let mut world = sweeping("15m");
    let ids: Vec<_> = (0..5).map(|_| unheard(&world)).collect();
    pass(HOUR).await;
    world.start();
    pass(30 * MINUTE).await;
    assert_eq!(world.texts(), notices(&ids, None));
    assert_eq!(metric(&world, "enforcer_missed_starts_total", &[]), 0);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_loses_the_tag_is_found() {
    let world = sweeping("15m").started();
    let id = world.exempt();
    pass(HOUR).await;
    assert!(world.is_running(&id));
    world.aws.untag(&id, TAG);
    pass(30 * MINUTE).await;
    assert_eq!(world.texts(), notices(&[id], None));
    assert_eq!(metric(&world, "enforcer_missed_starts_total", &[]), 0);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_a_tool_removes_and_sets_again_saves_the_instance() {
    let world = sweeping("15m");
    let id = world.aws.launch(Launch::default().tagged(TAG, "yes").quiet());
    pass(HOUR).await;
    // Each list finds the instance without the tag, which is set again four minutes later.
    let untagging = {
        let id = id.clone();
        move |aws: &Sandbox| aws.untag(&id, TAG)
    };
    world.aws.inject(Rule::on("DescribeInstances").fault(Fault::run(untagging)).times(1));
    let world = world.started();
    while pages(&world) == 0 {
        pass(SECOND).await;
    }
    pass(4 * MINUTE).await;
    assert!(world.is_running(&id));
    world.aws.tag(&id, TAG, "yes");
    pass(HOUR).await;
    assert!(world.is_running(&id) && world.texts().is_empty(), "{:?}", world.texts());
    assert!(world.calls("DescribeTags") > 0);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_gone_for_a_moment_while_its_owner_is_to_be_told_saves_the_instance() {
    let world = sweeping("15m");
    let world = world.set("ENFORCER_POLICY__EXCEPTION_EXPIRES", "true");
    let end = SystemTime::now() + 7 * DAY + 20 * MINUTE;
    let until = format!("until={}", rfc3339(end));
    let id = world.aws.launch(Launch::default().tagged(TAG, &until).quiet());
    let untagging = {
        let id = id.clone();
        move |aws: &Sandbox| aws.untag(&id, TAG)
    };
    let world = world.started();
    pass(12 * MINUTE).await;
    world.aws.inject(Rule::on("DescribeTags").fault(Fault::run(untagging)).times(1));
    while world.calls("DescribeTags") == 0 {
        pass(SECOND).await;
    }
    pass(SECOND).await;
    world.aws.tag(&id, TAG, &until);
    pass(2 * HOUR).await;
    assert!(world.is_running(&id) && world.calls("StopInstances") == 0);
}

#[tokio::test(start_paused = true)]
async fn an_instance_whose_stop_is_denied_keeps_no_other_one_running() {
    let world = sweeping("15m").started();
    pass(MINUTE).await;
    let ids: Vec<_> = (0..10).map(|_| unheard(&world)).collect();
    let first = ids.iter().min().unwrap();
    let denied = Fault::error(403, "UnauthorizedOperation");
    world.aws.inject(Rule::on("StopInstances").naming(first).fault(denied));
    pass(2 * HOUR).await;
    let running: Vec<_> = ids.iter().filter(|id| world.is_running(id)).collect();
    assert_eq!(running, [first]);
    let denied = format!("EC2 {first} NOT stopped: access denied");
    assert!(world.texts().contains(&denied), "{:?}", world.texts());
}

#[tokio::test(start_paused = true)]
async fn a_region_that_a_reload_removes_is_swept_no_more() {
    let (live, followed) =
        watch::channel(Live { regions: vec![], ..World::new().settings().live() });
    let regions = |names: &[&str]| names.iter().filter_map(|name| Region::parse(name)).collect();
    live.send_modify(|live| live.regions = regions(&["us-east-1", "eu-west-1"]));
    let world = sweeping("15m").set("ENFORCER_SCOPE__REGIONS", "us-east-1,eu-west-1");
    let world = world.following(followed);
    let launch = || world.aws.launch(Launch::default().region("eu-west-1").quiet());
    (0..100).for_each(|_| drop(launch()));
    pass(HOUR).await;
    let world = world.with_usual_latencies().started();
    while world.calls("StopInstances") == 0 {
        pass(SECOND).await;
    }
    live.send_modify(|live| live.regions = regions(&["us-east-1"]));
    pass(10 * SECOND).await;
    let stopped = world.calls("StopInstances");
    pass(2 * HOUR).await;
    assert_eq!(world.calls("StopInstances"), stopped);
    assert!(stopped < 100, "{stopped}");
}

#[tokio::test(start_paused = true)]
async fn what_has_just_started_is_left_to_its_event() {
    let world = sweeping("15m").started();
    let mut young = Vec::new();
    for _ in 0..60 {
        young.push((unheard(&world), tokio::time::Instant::now()));
        pass(MINUTE).await;
    }
    let stops = world.aws.calls("StopInstances");
    assert!(!stops.is_empty());
    for call in stops {
        for (id, launched) in &young {
            if call.subjects.contains(id) {
                assert!(call.at - *launched >= 10 * MINUTE, "{:?}", call.at - *launched);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_nothing_is_listed() {
    let world = World::new().set("ENFORCER_SIZES__POLLERS", "1").started();
    let id = unheard(&world);
    pass(DAY).await;
    assert!(world.is_running(&id));
    assert!(world.ec2_calls().is_empty());
    assert!(!world.health.scrape().contains("enforcer_fleet_instances{"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_concluded_from_half_a_list() {
    let world = sweeping("15m");
    (0..1500).for_each(|_| {
        world.aws.launch(Launch::default().tagged(TAG, "").quiet());
    });
    let ids: Vec<_> = (0..3).map(|_| unheard(&world)).collect();
    // Each second page fails, for longer than a sweep tries it again.
    let denied = Fault::error(400, "UnauthorizedOperation");
    let failing = world.aws.inject(Rule::on("DescribeInstances").fault(denied).after(1));
    pass(HOUR).await;
    let world = world.started();
    pass(HOUR).await;
    assert!(world.texts().iter().all(|text| !text.contains("Stopped")), "{:?}", world.texts());
    assert!(metric(&world, "enforcer_sweeps_total", &["result=\"failed\""]) >= 3);
    let told = world.aws.notices();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].message.contains("cannot be read"), "{}", told[0].message);
    world.aws.lift(failing);
    pass(HOUR).await;
    assert!(ids.iter().all(|id| !world.is_running(id)));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_page_is_read_again() {
    let world = sweeping("15m").started();
    let id = unheard(&world);
    let throttled = Fault::error(503, "RequestLimitExceeded");
    world.aws.inject(Rule::on("DescribeInstances").fault(throttled).times(3));
    pass(30 * MINUTE).await;
    assert_eq!(world.texts(), notices(&[id], None));
    assert_eq!(metric(&world, "enforcer_sweeps_total", &["result=\"failed\""]), 0);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_throttled_without_end_gives_its_place_back() {
    let world = sweeping("15m").started();
    let throttled = Fault::error(503, "RequestLimitExceeded");
    world.aws.inject(Rule::on("DescribeInstances").fault(throttled));
    pass(HOUR).await;
    assert!(metric(&world, "enforcer_sweeps_total", &["result=\"failed\""]) >= 1);
}

#[tokio::test(start_paused = true)]
async fn the_fleet_is_counted_by_how_it_stands_with_the_policies() {
    let world = sweeping("15m").set("ENFORCER_POLICY__MODE", "warn").started();
    (0..4).for_each(|_| drop(unheard(&world)));
    (0..7).for_each(|_| drop(world.aws.launch(Launch::default().tagged(TAG, "").quiet())));
    pass(HOUR).await;
    let fleet =
        |verdict| metric(&world, "enforcer_fleet_instances", &[&format!("verdict=\"{verdict}\"")]);
    let counts = ["exempt", "compliant", "dry_run", "warn", "enforce"].map(fleet);
    assert_eq!(counts, [7, 0, 0, 4, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_audit_trail_has_what_a_sweep_did_without_a_message() {
    let trail = Trail::new();
    let world = trail.of(sweeping("15m")).started();
    let id = unheard(&world);
    pass(30 * MINUTE).await;
    assert_eq!(world.texts(), notices(std::slice::from_ref(&id), None));
    let outcomes = trail.outcomes_of(&id);
    let [line] = &*outcomes else { panic!("{outcomes:?}") };
    assert_eq!((&line["trigger"], &line["outcome"]), (&"sweep".into(), &"stopped".into()));
    assert!(line.get("message").is_none() && line.get("event").is_none(), "{line}");
    let stops = trail.of_kind("stop");
    let [stop] = &*stops else { panic!("{stops:?}") };
    assert_eq!(stop["instances"][0]["instance"], *id);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_a_sweep_at_once() {
    let mut world = sweeping("15m").with_usual_latencies();
    (0..50).for_each(|_| drop(unheard(&world)));
    pass(HOUR).await;
    world.start();
    while world.calls("StopInstances") == 0 {
        pass(SECOND).await;
    }
    let began = tokio::time::Instant::now();
    assert!(world.drain().await.complete());
    assert!(began.elapsed() < 25 * SECOND, "{:?}", began.elapsed());
    // Whoever was stopped knows.
    assert_eq!(world.texts().len(), world.calls("StopInstances"));
}

#[tokio::test(start_paused = true)]
async fn what_starts_again_after_it_was_found_is_left_to_its_event() {
    let world = sweeping("15m");
    let id = unheard(&world);
    pass(HOUR).await;
    let world = world.started();
    while pages(&world) == 0 {
        pass(SECOND).await;
    }
    pass(MINUTE).await;
    world.aws.stop(&id);
    pass(2 * MINUTE).await;
    world.aws.start(&id);
    pass(8 * MINUTE).await;
    assert!(world.is_running(&id) && world.calls("DescribeTags") > 0);
    pass(HOUR).await;
    assert_eq!(world.texts(), notices(&[id], None));
}
