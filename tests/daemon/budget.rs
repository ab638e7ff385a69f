//! The budget: no more instances are stopped in a window than it allows, the others wait, and a
//! person lets stops go on.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2_policy_enforcer::daemon::{Daemon, Drained, Error};
use ec2_policy_enforcer::retry::backoff::Jitter;
use ec2_policy_enforcer::runtime::shutdown::Shutdown;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Message, Notice, Rule};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::scrape::Scrape;
use crate::world::{TAG, World, ahead, pass, violators};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const WINDOW: Duration = Duration::from_mins(10);
const STOPS: usize = 20;

/// A world with a budget of 20 stops in 10 minutes. Its daemon polls with one task alone: hours
/// pass.
fn limited() -> World {
    limiting(World::new())
}

fn limiting(world: World) -> World {
    let world = world.set("ENFORCER_BUDGET__STOPS", &STOPS.to_string());
    world.set("ENFORCER_SIZES__POLLERS", "1")
}

/// The key of the tag that holds the stops in the account and region of the sandbox.
fn hold(world: &World) -> String {
    let arn: Vec<_> = world.resources.queue_arn.split(':').collect();
    format!("hold/{}/{}", arn[4], arn[3])
}

fn is_held(world: &World) -> bool {
    world.aws.queue_tags().contains_key(&hold(world))
}

/// The instances that were stopped, each with the time of the call.
fn stopped(world: &World) -> Vec<(Instant, String)> {
    let calls = world.aws.calls("StopInstances").into_iter();
    calls.flat_map(|call| call.stopped.into_iter().map(move |id| (call.at, id))).collect()
}

/// The most instances that were stopped in any window.
fn most_in_a_window(world: &World) -> usize {
    let stopped = stopped(world);
    let within = |from: Instant| {
        let ids = stopped.iter().filter(|(at, _)| *at >= from && *at < from + WINDOW);
        ids.map(|(_, id)| id).collect::<BTreeSet<_>>().len()
    };
    stopped.iter().map(|(at, _)| within(*at)).max().unwrap_or_default()
}

/// Expects that each notice of a stop is of an instance that was stopped, and that all others wait.
fn none_is_lost(world: &World, violators: usize) {
    let announced: Vec<_> = world.texts();
    let announced: Vec<_> = announced.iter().filter(|text| text.ends_with(" Stopped")).collect();
    for text in &announced {
        let id = text.split(' ').nth(1).unwrap();
        assert!(!world.is_running(id), "{text}");
    }
    assert_eq!(announced.len() + world.aws.depth(), violators);
}

/// A second daemon on the same sandbox.
struct Process {
    shutdown: Shutdown,
    task: JoinHandle<Result<Drained, Error>>,
}

impl Process {
    fn start(world: &World, seed: u64) -> Self {
        let daemon = Daemon::new(world.settings(), world.aws.sdk_config());
        let clock = ahead(world.aws.clock(), Duration::ZERO);
        let daemon = Daemon { clock, jitter: Jitter::seeded(seed), ..daemon };
        let shutdown = Shutdown::new();
        Self { shutdown: shutdown.clone(), task: tokio::spawn(daemon.run(shutdown)) }
    }

    async fn drain(self) {
        self.shutdown.drain.cancel();
        assert!(self.task.await.unwrap().unwrap().complete());
    }

    /// Ends it as SIGKILL does.
    fn kill(self) {
        self.task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_budget_violators_wait_and_nothing_holds_them() {
    let world = limited();
    let operators = world.aws.topic("operators");
    let mut world = world.set("ENFORCER_TOPIC__OPERATORS_ARN", &operators);
    violators(&world, 200);
    world.start();
    pass(2 * MINUTE).await;
    assert_eq!(stopped(&world).len(), STOPS);
    assert!(is_held(&world), "{:?}", world.aws.queue_tags());
    assert!(world.aws.messages().iter().all(Message::is_held));
    let notices = world.aws.notices();
    let told: Vec<_> = notices.iter().filter(|notice| notice.topic_arn == operators).collect();
    let subject = "EC2 policy enforcer: the budget is used up, stops are held";
    assert!(told.iter().any(|notice| notice.subject.as_deref() == Some(subject)), "{told:?}");
    assert_eq!(world.health.troubles(), [""; 0]);
    let remarks = world.health.remarks();
    assert!(remarks.iter().any(|line| line.contains(&hold(&world))), "{remarks:?}");
    let scrape = Scrape::read(&world.health.scrape());
    assert_eq!(scrape.sum("enforcer_held", &[]), 180);
    assert_eq!(scrape.sum("enforcer_leases_held", &[]), 0);
    assert_eq!(scrape.sum("enforcer_dispositions_total", &["\"hold\""]), 180);
    let timeouts = world.timeouts().len();
    pass(2 * HOUR).await;
    assert_eq!(stopped(&world).len(), STOPS);
    assert_eq!(world.timeouts().len(), timeouts, "held messages are renewed");
    assert_eq!(world.most_receives(), 1);
    none_is_lost(&world, 200);
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn within_the_budget_nothing_waits_and_its_places_come_back_with_time() {
    let world = limited().started();
    for _ in 0..5 {
        violators(&world, STOPS);
        pass(WINDOW + MINUTE).await;
        assert_eq!((world.aws.depth(), is_held(&world)), (0, false));
    }
    assert_eq!(stopped(&world).len(), 5 * STOPS);
    assert_eq!(most_in_a_window(&world), STOPS);
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_the_tags_of_the_queue_are_never_asked_for() {
    let mut world = World::new();
    world.aws.tag_queue("hold/all", "");
    let ids = violators(&world, 50);
    world.start();
    world.all_settled_within(MINUTE).await;
    assert_eq!(stopped(&world).len(), ids.len());
    pass(HOUR).await;
    assert_eq!((world.calls("ListQueueTags"), world.calls("TagQueue")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn exempt_instances_and_other_regions_go_on_while_stops_are_held() {
    let world = limited().set("ENFORCER_SCOPE__REGIONS", "eu-central-1,eu-west-1");
    let (here, there) = ("eu-central-1", "eu-west-1");
    let launch = |region: &str| world.aws.launch(Launch::default().region(region));
    (0..30).for_each(|_| drop(launch(here)));
    let mut world = world.started();
    pass(MINUTE).await;
    assert_eq!(stopped(&world).len(), STOPS);
    let launch = |region: &str| world.aws.launch(Launch::default().region(region));
    let other = launch(there);
    world.aws.launch(Launch::default().region(here).tagged(TAG, ""));
    pass(MINUTE).await;
    assert_eq!(world.aws.depth(), 10);
    assert!(stopped(&world).iter().any(|(_, id)| *id == other));
    assert_eq!(stopped(&world).len(), STOPS + 1);
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn when_the_tag_is_gone_stops_go_on_within_a_minute_and_no_storm_of_receives_follows() {
    let world = limited();
    violators(&world, 500);
    let mut world = world.started();
    pass(5 * MINUTE).await;
    for round in 1..4 {
        assert_eq!(stopped(&world).len(), round * STOPS);
        let receives = receives(&world);
        world.aws.untag_queue(&hold(&world));
        pass(MINUTE + 10 * SECOND).await;
        assert_eq!(stopped(&world).len(), (round + 1) * STOPS);
        assert!(is_held(&world));
        let in_vain = receives_since(&world, receives);
        assert!(in_vain < STOPS + 200, "{in_vain} receives");
    }
    none_is_lost(&world, 500);
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_sqs_does_not_make_visible_at_first_is_made_visible_later() {
    let world = limited();
    violators(&world, STOPS + 5);
    let world = world.started();
    pass(2 * MINUTE).await;
    assert_eq!((stopped(&world).len(), world.aws.depth()), (STOPS, 5));
    let code = "InternalError".to_owned();
    let fault = Fault::Entries { count: 3, code, sender_fault: false };
    world.aws.inject(Rule::on("ChangeMessageVisibilityBatch").times(1).fault(fault));
    world.aws.untag_queue(&hold(&world));
    pass(2 * MINUTE).await;
    assert_eq!((stopped(&world).len(), world.aws.depth()), (STOPS + 5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_hidden_when_its_hold_has_ended_becomes_visible_soon() {
    let world = limited().set("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", "600");
    let fault = Fault::error(500, "InternalError");
    let outage = world.aws.inject(Rule::on("ChangeMessageVisibilityBatch").fault(fault));
    violators(&world, STOPS + 5);
    let world = world.started();
    pass(10 * SECOND).await;
    assert!(is_held(&world));
    world.aws.untag_queue(&hold(&world));
    pass(3 * MINUTE).await;
    world.aws.lift(outage);
    pass(2 * MINUTE).await;
    assert_eq!((stopped(&world).len(), world.aws.depth()), (STOPS + 5, 0));
}

fn receives(world: &World) -> usize {
    world.aws.calls("ReceiveMessage").iter().map(|call| call.subjects.len()).sum()
}

fn receives_since(world: &World, before: usize) -> usize {
    receives(world) - before
}

#[tokio::test(start_paused = true)]
async fn what_was_exempted_while_it_was_on_hold_is_left_running() {
    let world = limited();
    let ids = violators(&world, 60);
    let mut world = world.started();
    pass(2 * MINUTE).await;
    let stopped_ids: BTreeSet<_> = stopped(&world).into_iter().map(|(_, id)| id).collect();
    let waiting: Vec<_> = ids.iter().filter(|id| !stopped_ids.contains(*id)).collect();
    for id in waiting {
        world.aws.tag(id, TAG, "");
    }
    world.aws.untag_queue(&hold(&world));
    pass(2 * MINUTE).await;
    assert_eq!((stopped(&world).len(), world.aws.depth()), (STOPS, 0));
    assert!(!is_held(&world));
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn a_drain_while_stops_are_held_leaves_their_messages_hidden_and_the_next_process_obeys() {
    let mut world = limited();
    violators(&world, 100);
    world.start();
    pass(2 * MINUTE).await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert_eq!((drained.counts.on_hold, drained.counts.handed_back), (80, 0));
    assert!(world.aws.messages().iter().all(Message::is_held));
    world.start();
    violators(&world, 10);
    pass(13 * HOUR).await;
    assert_eq!(stopped(&world).len(), STOPS);
    none_is_lost(&world, 110);
    world.aws.untag_queue(&hold(&world));
    pass(MINUTE).await;
    assert_eq!(stopped(&world).len(), 2 * STOPS);
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn a_drain_in_the_middle_of_a_mass_of_violators_loses_no_hold() {
    let mut world = limited().with_usual_latencies();
    violators(&world, 200);
    world.start();
    world.aws.until("stops have begun", |aws| !aws.calls("StopInstances").is_empty()).await;
    assert!(world.drain().await.complete());
    world.start();
    pass(2 * MINUTE).await;
    assert!(stopped(&world).len() <= 2 * STOPS, "{}", stopped(&world).len());
    assert!(is_held(&world));
    none_is_lost(&world, 200);
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_and_its_successor_stop_no_more_than_two_budgets() {
    let world = limited().with_usual_latencies();
    violators(&world, 200);
    let first = Process::start(&world, 1);
    world.aws.until("one was stopped", |aws| !aws.calls("StopInstances").is_empty()).await;
    first.kill();
    let second = Process::start(&world, 2);
    pass(5 * MINUTE).await;
    second.kill();
    let third = Process::start(&world, 3);
    pass(13 * HOUR).await;
    assert!(most_in_a_window(&world) <= 2 * STOPS, "{}", most_in_a_window(&world));
    assert!(stopped(&world).len() <= 2 * STOPS, "the hold has ended by itself");
    third.drain().await;
}

#[tokio::test(start_paused = true)]
async fn two_daemons_stop_no_more_than_two_budgets_and_a_hold_binds_both() {
    let world = limited().with_usual_latencies();
    violators(&world, 200);
    let daemons = [1, 2].map(|seed| Process::start(&world, seed));
    pass(5 * MINUTE).await;
    assert!(stopped(&world).len() <= 2 * STOPS, "{}", stopped(&world).len());
    let before = stopped(&world).len();
    violators(&world, 50);
    pass(2 * HOUR).await;
    assert_eq!(stopped(&world).len(), before);
    none_is_lost(&world, 250);
    for daemon in daemons {
        daemon.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deploy_every_minute_for_an_hour_stops_no_more_than_each_process_may() {
    let world = limited().with_usual_latencies();
    let mut processes = 0;
    for seed in 1..=60 {
        let process = Process::start(&world, seed);
        processes += 1;
        violators(&world, if seed == 30 { 60 } else { 3 });
        pass(30 * SECOND).await;
        if seed % 3 == 0 {
            process.kill();
        } else {
            process.drain().await;
        }
        pass(30 * SECOND).await;
    }
    assert_eq!(processes, 60);
    let most = most_in_a_window(&world);
    assert!(most <= 11 * 3 + STOPS, "{most}");
    assert!(is_held(&world));
    none_is_lost(&world, 59 * 3 + 60);
}

#[tokio::test(start_paused = true)]
async fn a_freeze_by_hand_binds_within_a_minute_and_ends_when_its_tag_is_removed() {
    let mut world = limited().started();
    violators(&world, 5);
    pass(MINUTE).await;
    assert_eq!(stopped(&world).len(), 5);
    world.aws.tag_queue("hold/all", "2026-11-26T20:48:21Z");
    pass(MINUTE).await;
    violators(&world, 5);
    pass(HOUR).await;
    assert_eq!(stopped(&world).len(), 5);
    let remarks = world.health.remarks();
    assert!(remarks.iter().any(|line| line.contains("hold/all")), "{remarks:?}");
    world.aws.untag_queue("hold/all");
    pass(MINUTE).await;
    assert_eq!((stopped(&world).len(), world.aws.depth()), (10, 0));
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_was_set_before_the_start_lets_no_stop_begin() {
    let mut world = limited();
    world.aws.tag_queue("hold/all", "");
    let slow = Rule::on("ListQueueTags").fault(Fault::error(500, "InternalError")).times(4);
    world.aws.inject(slow);
    violators(&world, 30);
    world.start();
    pass(HOUR).await;
    assert_eq!(stopped(&world).len(), 0);
    none_is_lost(&world, 30);
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_to_tag_the_hold_is_in_memory_and_readyz_says_so() {
    let mut world = limited();
    world.aws.inject(Rule::on("TagQueue").fault(Fault::error(403, "AccessDenied")));
    violators(&world, 100);
    world.start();
    pass(HOUR).await;
    assert_eq!(stopped(&world).len(), STOPS);
    assert!(!is_held(&world));
    let remarks = world.health.remarks();
    assert!(remarks.iter().any(|line| line.contains("allow sqs:TagQueue")), "{remarks:?}");
    assert_eq!(world.health.troubles(), [""; 0]);
    world.aws.lift_all();
    pass(MINUTE).await;
    assert!(is_held(&world));
    let remarks = world.health.remarks();
    assert!(!remarks.iter().any(|line| line.contains("sqs:TagQueue")), "{remarks:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_to_read_tags_stops_go_on_within_the_budget() {
    let mut world = limited();
    world.aws.inject(Rule::on("ListQueueTags").fault(Fault::error(403, "AccessDenied")));
    violators(&world, 100);
    world.start();
    pass(HOUR).await;
    assert_eq!(stopped(&world).len(), STOPS);
    let remarks = world.health.remarks();
    assert!(remarks.iter().any(|line| line.contains("allow sqs:ListQueueTags")), "{remarks:?}");
}

#[tokio::test(start_paused = true)]
async fn throttled_and_failing_calls_about_tags_cost_no_hold() {
    let mut world = limited();
    for operation in ["TagQueue", "ListQueueTags"] {
        let throttled = Fault::error(400, "RequestThrottled");
        world.aws.inject(Rule::on(operation).fault(throttled).sparing_every(4));
    }
    violators(&world, 100);
    world.start();
    pass(10 * MINUTE).await;
    assert_eq!(stopped(&world).len(), STOPS);
    assert!(is_held(&world));
    world.aws.lift_all();
    world.aws.untag_queue(&hold(&world));
    pass(MINUTE).await;
    assert_eq!(stopped(&world).len(), 2 * STOPS);
}

#[tokio::test(start_paused = true)]
async fn with_many_tags_everything_is_held_and_with_50_in_memory() {
    for (tags, in_memory) in [(45, false), (50, true)] {
        let mut world = limited();
        (0..tags).for_each(|number| world.aws.tag_queue(&format!("tag-{number}"), ""));
        violators(&world, 100);
        world.start();
        pass(HOUR).await;
        assert_eq!(stopped(&world).len(), STOPS);
        assert_eq!(world.aws.queue_tags().contains_key("hold/all"), !in_memory);
        assert!(!is_held(&world));
        none_is_lost(&world, 100);
    }
}

#[tokio::test(start_paused = true)]
async fn owners_are_told_a_day_before_their_message_would_expire() {
    let mut world = limited();
    violators(&world, 25);
    world.start();
    let began = Instant::now();
    pass(71 * HOUR).await;
    none_is_lost(&world, 25);
    assert_eq!(world.aws.depth(), 5);
    pass(2 * HOUR).await;
    assert_eq!(world.aws.depth(), 0);
    let notices = world.aws.notices();
    let told = notices.iter().filter(|it| it.message.ends_with(" NOT stopped: budget"));
    let told: Vec<_> = told.map(|notice| notice.at - began).collect();
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|after| *after + MINUTE >= 3 * DAY && *after <= 3 * DAY + MINUTE));
    assert_eq!(stopped(&world).len(), STOPS);
    assert!(world.aws.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn owners_are_told_three_receives_before_the_dead_letter_queue() {
    let mut world = limited();
    let sqs = aws_sdk_sqs::Client::new(&world.aws.sdk_config());
    let redrive = aws_sdk_sqs::types::QueueAttributeName::RedrivePolicy;
    let url = &world.resources.queue_url;
    let dead = &world.resources.dead_letter_arn;
    let policy = format!(r#"{{"maxReceiveCount":10,"deadLetterTargetArn":"{dead}"}}"#);
    let set = sqs.set_queue_attributes().queue_url(url).attributes(redrive, policy);
    set.send().await.unwrap();
    violators(&world, 25);
    // Each message was received three times before.
    for _ in 0..3 {
        for _ in 0..3 {
            let receive = sqs.receive_message().queue_url(url).max_number_of_messages(10);
            receive.visibility_timeout(40).send().await.unwrap();
        }
        pass(41 * SECOND).await;
    }
    assert!(world.aws.messages().iter().all(|message| message.receive_count == 3));
    world.start();
    pass(71 * HOUR).await;
    let told = world.texts().iter().filter(|text| text.ends_with("NOT stopped: budget")).count();
    assert_eq!((told, world.aws.depth()), (5, 0), "{:?}", world.texts());
    assert_eq!(world.most_receives(), 7);
    assert!(world.aws.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn instances_that_ec2_refuses_to_stop_give_their_places_back() {
    let mut world = limited();
    for _ in 0..30 {
        world.aws.launch(Launch::default().stop_protected());
    }
    let ids = violators(&world, STOPS);
    world.start();
    pass(2 * MINUTE).await;
    assert_eq!(stopped(&world).len(), ids.len());
    assert_eq!((world.aws.depth(), is_held(&world)), (0, false));
}

#[tokio::test(start_paused = true)]
async fn stops_without_an_answer_keep_their_places_and_are_tried_again() {
    for fault in [Fault::HangAfter, Fault::CutAfter, Fault::HangBefore, Fault::CutBefore] {
        let mut world = limited();
        world.aws.inject(Rule::on("StopInstances").fault(fault).times(3));
        let ids = violators(&world, 100);
        world.start();
        pass(HOUR).await;
        // Where none of the calls had its effect, stops are held although none took place.
        assert!(ids.iter().filter(|id| !world.is_running(id)).count() <= STOPS);
        none_is_lost(&world, 100);
    }
}

#[tokio::test(start_paused = true)]
async fn a_planned_stop_that_is_due_while_stops_are_held_waits_and_its_owner_is_not_told_again() {
    let world = limited().set("ENFORCER_POLICY__GRACE", "1h");
    let mut world = world.set("ENFORCER_POLICY__SINCE", "2020-01-01").started();
    let id = world.violator();
    pass(30 * MINUTE).await;
    assert_eq!(world.aws.notices().len(), 1);
    world.aws.tag_queue("hold/all", "");
    let late = world.violator();
    pass(HOUR).await;
    assert!(world.is_running(&id));
    // Owners are told of stops to come while these are held.
    assert_eq!(world.aws.notices().len(), 2);
    world.aws.untag_queue("hold/all");
    pass(HOUR).await;
    assert!(!world.is_running(&id) && !world.is_running(&late));
    assert_eq!(world.aws.notices().len(), 4, "{:?}", world.texts());
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_the_queue_cannot_wait_for_is_refused_at_the_start() {
    let mut world = limited();
    let sqs = aws_sdk_sqs::Client::new(&world.aws.sdk_config());
    let name = aws_sdk_sqs::types::QueueAttributeName::MessageRetentionPeriod;
    let set = sqs.set_queue_attributes().queue_url(&world.resources.queue_url);
    set.attributes(name, "86400").send().await.unwrap();
    world.start();
    let Err(Error::Policies(refusal)) = world.end().await else { panic!("it started") };
    assert!(refusal.to_string().starts_with("budget.stops = 20: messages wait"), "{refusal}");
    assert_eq!(world.calls("ReceiveMessage"), 0);
}

#[tokio::test(start_paused = true)]
async fn resume_with_many_on_hold_goes_on_without_a_storm_of_receives() {
    resumed_with(11_000).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes"]
async fn resume_with_30_000_on_hold_goes_on_without_a_storm_of_receives() {
    resumed_with(30_000).await;
}

async fn resumed_with(count: usize) {
    let world = limiting(World::new()).set("ENFORCER_SIZES__POLLERS", "8");
    (0..count).for_each(|_| drop(world.violator()));
    let mut world = world.started();
    world.aws.until("all are on hold", |aws| aws.messages().iter().all(Message::is_held)).await;
    pass(MINUTE).await;
    let before = receives(&world);
    assert!(before <= count + 100, "{before}");
    world.aws.untag_queue(&hold(&world));
    pass(10 * MINUTE).await;
    assert_eq!(stopped(&world).len(), 2 * STOPS);
    let in_vain = receives_since(&world, before);
    assert!(in_vain < 300, "{in_vain} receives");
    none_is_lost(&world, count);
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_starts_anew_what_is_stopped_is_named_once_an_hour() {
    let world = limited();
    let operators = world.aws.topic("operators");
    let mut world = world.set("ENFORCER_TOPIC__OPERATORS_ARN", &operators);
    world.start();
    for _ in 0..9 {
        world.aws.launch(Launch::default().auto_scaling_group("web"));
        pass(11 * MINUTE).await;
    }
    assert_eq!((stopped(&world).len(), is_held(&world)), (9, false));
    let notices = world.aws.notices();
    let of_loops = |notice: &&Notice| {
        let subject = "EC2 policy enforcer: an Auto Scaling group starts what is stopped";
        notice.subject.as_deref() == Some(subject) && notice.message.contains("group web ")
    };
    assert_eq!(notices.iter().filter(of_loops).count(), 1, "{notices:?}");
    let scrape = Scrape::read(&world.health.scrape());
    assert_eq!(scrape.sum("enforcer_scaling_loops_total", &[]), 1);
}
