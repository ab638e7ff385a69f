//! Answers of EC2 that lag behind what is: an instance that started shows as stopped, or not at
//! all. And a host whose clock would take what is recent for old.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Lifecycle, Options, Rule};

use crate::world::{TAG, World, pass};

const MINUTE: Duration = Duration::from_mins(1);
const AHEAD: Duration = Duration::from_secs(301);
/// Keys of tags are compared without case by IAM, and with case by the policy: an instance with
/// this tag violates it, and the guard keeps it from being stopped.
const GUARDED: &str = "special_exception";

/// DescribeInstances lags behind by a minute, for this many calls.
fn lagging(times: usize) -> Rule {
    Rule::on("DescribeInstances").fault(Fault::Lag(MINUTE)).times(times)
}

/// An instance that was stopped for an hour and has just been started, with its event.
async fn restarted(world: &World, launch: Launch) -> String {
    let id = world.aws.launch(launch.quiet());
    world.aws.stop(&id);
    pass(60 * MINUTE).await;
    world.aws.start(&id);
    assert!(world.is_running(&id));
    world.aws.send(&world.aws.event(&id));
    id
}

#[tokio::test(start_paused = true)]
async fn a_running_instance_that_shows_as_stopped_is_stopped() {
    let mut world = World::new();
    let id = restarted(&world, Launch::default()).await;
    world.aws.inject(lagging(1));
    world.start();
    world.all_settled().await;
    assert!(!world.is_running(&id));
    assert_eq!(world.aws.calls("StopInstances")[0].stopped, [id.as_str()]);
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_be_stopped_is_refused_although_it_shows_as_stopped() {
    for (launch, reason) in [
        (Launch::default().stop_protected(), "stop protection"),
        (Launch::default().managed(), "managed by an AWS service"),
        (
            Launch::default().lifecycle(Lifecycle::SpotPersistent).stop_protected(),
            "stop protection",
        ),
    ] {
        let mut world = World::new();
        let id = restarted(&world, launch).await;
        world.aws.inject(lagging(1));
        world.start();
        world.all_settled_within(2 * MINUTE).await;
        assert!(world.is_running(&id));
        assert_eq!(world.texts(), [format!("EC2 {id} NOT stopped: {reason}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_that_an_instance_which_is_stopped_was_not_stopped() {
    let guarded = Options { guard_tag: Some(TAG.to_owned()), ..Options::default() };
    let mut world = World::with(guarded);
    let protected = restarted(&world, Launch::default().stop_protected()).await;
    let managed = restarted(&world, Launch::default().managed()).await;
    let denied = restarted(&world, Launch::default().tagged(GUARDED, "")).await;
    let ids = [protected, managed, denied];
    for id in &ids {
        world.aws.stop(id);
    }
    world.start();
    world.all_settled_within(10 * MINUTE).await;
    let mut texts = ids.map(|id| format!("EC2 {id} Stopped"));
    texts.sort();
    assert_eq!(world.texts(), texts);
}

#[tokio::test(start_paused = true)]
async fn what_shows_as_stopped_keeps_nothing_else_running() {
    let mut world = World::new();
    let protected = restarted(&world, Launch::default().stop_protected()).await;
    world.aws.stop(&protected);
    let ids: Vec<_> = (0..5).map(|_| world.violator()).collect();
    world.start();
    world.notices(5).await;
    assert!(ids.iter().all(|id| world.stops_of(id) == 1));
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_a_lagging_answer_does_not_show_exempts_where_the_other_shows_it() {
    for operation in ["DescribeTags", "DescribeInstances"] {
        let mut world = World::new();
        let id = restarted(&world, Launch::default()).await;
        world.aws.tag(&id, TAG, "");
        pass(Duration::from_secs(10)).await;
        world.aws.inject(Rule::on(operation).fault(Fault::Lag(MINUTE)).times(1));
        world.start();
        world.all_settled().await;
        assert!(world.is_running(&id), "{operation}");
        assert_eq!(world.calls("StopInstances"), 0);
        assert!(world.aws.notices().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_set_while_a_stop_waits_exempts_although_the_second_look_lags() {
    let mut world = World::new();
    let denied = Fault::error(403, "UnauthorizedOperation");
    let denial = world.aws.inject(Rule::on("StopInstances").fault(denied));
    let id = world.violator();
    world.start();
    pass(3 * MINUTE).await;
    world.aws.tag(&id, TAG, "");
    world.aws.inject(Rule::on("DescribeInstances").fault(Fault::Lag(MINUTE)));
    world.aws.lift(denial);
    world.all_settled_within(MINUTE).await;
    assert!(world.is_running(&id));
    assert!(world.aws.notices().is_empty());
}

/// A world whose AWS tells the time, and whose host is 301 s ahead.
fn ahead() -> World {
    World::with(dated()).with_clock_ahead(AHEAD)
}

fn dated() -> Options {
    Options { date_ahead: Some(Duration::ZERO), ..Options::default() }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_not_there_yet_is_not_gone_by_a_clock_that_is_ahead() {
    let world = ahead().started();
    let id = world.aws.launch(Launch::default().quiet());
    let event = world.aws.event(&id);
    world.aws.forget(&id);
    world.aws.send(&event);
    // More than the two looks that an old event takes.
    pass(3 * MINUTE).await;
    assert_eq!(world.aws.depth(), 1);
    world.aws.launch(Launch::default().id(&id).quiet());
    world.all_settled_within(2 * MINUTE).await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn what_shows_as_stopped_is_not_believed_by_a_clock_that_is_ahead() {
    let mut world = ahead();
    let id = restarted(&world, Launch::default()).await;
    world.aws.inject(lagging(1));
    world.start();
    world.all_settled().await;
    assert!(!world.is_running(&id));
}

#[tokio::test(start_paused = true)]
async fn one_lagging_look_at_an_old_event_ends_nothing() {
    let mut world = World::new();
    let id = world.aws.launch(Launch::default().quiet());
    let old = "2021-11-11T21:29:54Z";
    world.aws.send(&world.altered_event(&id, |event| event["time"] = old.into()));
    pass(Duration::from_secs(1)).await;
    world.aws.inject(lagging(1));
    world.start();
    world.all_settled_within(2 * MINUTE).await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_told_and_the_daemon_stays_ready() {
    for (world, off) in [(ahead(), true), (World::with(dated()), false)] {
        let mut world = world.started();
        world.violator();
        world.all_settled().await;
        let mut remarks = world.health.remarks();
        remarks.retain(|remark| remark.starts_with("clock: "));
        assert_eq!(remarks.len(), usize::from(off), "{remarks:?}");
        assert!(remarks.iter().all(|remark| remark.ends_with("s ahead of SQS's")), "{remarks:?}");
        assert!(world.health.troubles().is_empty());
        let scraped = world.health.scrape();
        let skew =
            scraped.lines().find_map(|line| line.strip_prefix("enforcer_clock_skew_seconds "));
        let skew: f64 = skew.unwrap().parse().unwrap();
        assert!((skew - if off { 301.0 } else { 0.0 }).abs() < 2.0, "{skew}");
        world.drain().await;
    }
}
