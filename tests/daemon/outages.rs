//! Outages of an hour: no message is lost, no stop or notice repeated, and no owner gets many
//! mails.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule, Sandbox, Service};
use tokio::time::Instant;

use crate::world::{TAG, World, pass, violators};

const HOUR: Duration = Duration::from_hours(1);
/// The longest interval between two probes.
const PROBE: Duration = Duration::from_secs(10);

fn expired() -> Rule {
    Rule::on("*").fault(Fault::error(403, "ExpiredTokenException"))
}

fn denied() -> Rule {
    Rule::on("StopInstances").fault(Fault::error(403, "UnauthorizedOperation"))
}

fn texts_of(ids: &[String], rest: &str) -> Vec<String> {
    let mut texts: Vec<_> = ids.iter().map(|id| format!("EC2 {id} {rest}")).collect();
    texts.sort();
    texts
}

fn held(aws: &Sandbox) -> usize {
    aws.messages().iter().filter(|message| message.is_held()).count()
}

/// Begins an outage while the daemon polls, and ends it after an hour.
async fn an_hour_of(outage: Rule, violators_meanwhile: usize) -> (World, Vec<String>) {
    an_hour_in(World::new(), outage, violators_meanwhile).await
}

async fn an_hour_in(
    world: World,
    outage: Rule,
    violators_meanwhile: usize,
) -> (World, Vec<String>) {
    let world = world.started();
    world.aws.until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
    world.aws.inject(outage);
    let ids = violators(&world, violators_meanwhile);
    pass(HOUR).await;
    world.aws.lift_all();
    (world, ids)
}

/// Expects each violator to be stopped and announced once, with at most two receives of a message.
async fn ends_as_if_nothing_had_been(mut world: World, ids: &[String]) {
    world.all_settled_within(Duration::from_mins(15)).await;
    world.drain().await;
    assert_eq!(world.texts(), texts_of(ids, "Stopped"));
    assert!(ids.iter().all(|id| !world.is_running(id)));
    assert!(world.most_receives() <= 2, "{} receives", world.most_receives());
    assert!(world.aws.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_sns_loses_and_repeats_nothing() {
    let (world, ids) = an_hour_of(Rule::on_service(Service::Sns), 30).await;
    ends_as_if_nothing_had_been(world, &ids).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_in_which_sns_accepts_notices_without_an_answer_sends_few_mails() {
    for fault in [Fault::HangAfter, Fault::CutAfter] {
        // A long visibility timeout, so that the hour has few renewals of the 300 leases to play.
        let world = World::new().set("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", "600");
        let outage = Rule::on("PublishBatch").fault(fault.clone());
        let (mut world, ids) = an_hour_in(world, outage, 300).await;
        world.all_settled_within(Duration::from_mins(15)).await;
        world.drain().await;
        let texts = world.texts();
        let copies = |id: &String| texts.iter().filter(|text| text.contains(id.as_str())).count();
        assert!(ids.iter().all(|id| copies(id) >= 1), "{fault:?}: not all are announced");
        let most = ids.iter().map(copies).max().unwrap();
        assert!(most <= 25, "{fault:?}: {most} notices of one event");
        assert!(texts.len() <= 600, "{fault:?}: {} notices of 300 events", texts.len());
        assert!(world.most_receives() <= 2, "{} receives", world.most_receives());
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_deletions_costs_two_receives_at_most() {
    for fault in [Fault::HangBefore, Fault::error(503, "ServiceUnavailable")] {
        let (world, ids) = an_hour_of(Rule::on("DeleteMessageBatch").fault(fault), 30).await;
        ends_as_if_nothing_had_been(world, &ids).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_expired_credentials_loses_and_repeats_nothing() {
    let (world, ids) = an_hour_of(expired(), 30).await;
    ends_as_if_nothing_had_been(world, &ids).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_ec2_loses_and_repeats_nothing() {
    let (world, ids) = an_hour_of(Rule::on_service(Service::Ec2), 30).await;
    ends_as_if_nothing_had_been(world, &ids).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_in_which_no_stop_succeeds_loses_and_repeats_nothing() {
    for fault in [Fault::error(503, "Unavailable"), Fault::HangBefore, Fault::CutBefore] {
        let (world, ids) = an_hour_of(Rule::on("StopInstances").fault(fault), 30).await;
        ends_as_if_nothing_had_been(world, &ids).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stops_go_on_after_half_a_minute_of_refused_credentials() {
    let mut world = World::new();
    let refused = Fault::error(403, "RequestExpired");
    world.aws.inject(Rule::on("StopInstances").fault(refused));
    let mut ids = violators(&world, 1);
    world.start();
    pass(Duration::from_secs(30)).await;
    world.aws.lift_all();
    ids.extend(violators(&world, 5));
    ends_as_if_nothing_had_been(world, &ids).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_denied_stops_announces_each_refusal_once() {
    let (mut world, ids) = an_hour_of(denied(), 30).await;
    world.all_settled().await;
    world.drain().await;
    assert_eq!(world.texts(), texts_of(&ids, "NOT stopped: access denied"));
    assert!(world.most_receives() <= 2, "{} receives", world.most_receives());
}

#[tokio::test(start_paused = true)]
async fn the_first_notice_comes_within_one_probe_of_the_end_of_an_outage() {
    for outage in [Rule::on_service(Service::Sns), Rule::on_service(Service::Ec2), expired()] {
        let (world, _) = an_hour_of(outage, 3).await;
        let lifted = Instant::now();
        world.notices(1).await;
        assert!(lifted.elapsed() <= PROBE + Duration::from_secs(1), "{:?}", lifted.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn instances_that_became_exempt_delay_no_other_after_an_outage_of_stops() {
    for violator in 0..4 {
        let alone = World::new().set("ENFORCER_SIZES__ENFORCERS", "1");
        let world = alone.set("ENFORCER_SIZES__STOP_BATCH", "1").started();
        world.aws.inject(Rule::on("StopInstances"));
        let ids = violators(&world, 4);
        pass(Duration::from_mins(5)).await;
        for (_, id) in ids.iter().enumerate().filter(|(number, _)| *number != violator) {
            world.aws.tag(id, TAG, "");
        }
        world.aws.lift_all();
        let lifted = Instant::now();
        world.notices(1).await;
        assert!(lifted.elapsed() <= PROBE + Duration::from_secs(1), "{:?}", lifted.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_tries_whether_an_outage_is_over() {
    for (outage, operation) in [
        (Rule::on_service(Service::Sns), "PublishBatch"),
        (Rule::on("DescribeTags"), "DescribeTags"),
        (Rule::on("DescribeInstances"), "DescribeInstances"),
    ] {
        let (world, _) = an_hour_of(outage, 30).await;
        assert!(world.calls(operation) <= 400, "{}: {}", operation, world.calls(operation));
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_causes_no_storm_of_renewals() {
    let mut world = World::new();
    world.aws.inject(Rule::on_service(Service::Sns));
    violators(&world, 30);
    world.start();
    world.aws.until("all are held", |aws| held(aws) == 30).await;
    world.aws.inject(expired());
    pass(HOUR).await;
    let renewals = world.calls("ChangeMessageVisibilityBatch");
    assert!(renewals <= 1_200, "{renewals} renewals of 3 batches");
}

/// Holds many messages with a short visibility timeout, whose leases are renewed by slow calls.
/// Returns the most receives of one message.
async fn receives_while_throttled(visibility_secs: &str, latency: Duration) -> usize {
    let mut world = World::new().set("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", visibility_secs);
    world.aws.latency("ChangeMessageVisibilityBatch", latency);
    let throttled = Fault::error(503, "RequestLimitExceeded");
    world.aws.inject(Rule::on("StopInstances").fault(throttled));
    violators(&world, 1_000);
    world.start();
    pass(Duration::from_mins(1)).await;
    assert_eq!(held(&world.aws), 1_000);
    world.most_receives()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_short_leases_are_renewed_in_time_by_slow_calls() {
    assert_eq!(receives_while_throttled("5", Duration::from_millis(200)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_during_an_outage_than_the_sizes_allow() {
    let small = [
        ("POLLERS", "4"),
        ("INBOX", "40"),
        ("STOP_QUEUE", "20"),
        ("BATCH", "10"),
        ("STOP_BATCH", "10"),
    ];
    for outage in [Rule::on_service(Service::Sns), Rule::on_service(Service::Ec2)] {
        let world = small.into_iter().fold(World::new(), |world, (size, value)| {
            world.set(&format!("ENFORCER_SIZES__{size}"), value)
        });
        let mut world = world.set("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", "600");
        world.aws.inject(outage);
        violators(&world, 500);
        world.start();
        pass(HOUR).await;
        assert!(held(&world.aws) <= 2 * (40 + 20), "{} are held", held(&world.aws));
        assert!(world.most_receives() <= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_added_during_an_outage_exempts() {
    for outage in [Rule::on_service(Service::Ec2), expired(), denied()] {
        let world = World::new().started();
        world.aws.until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
        world.aws.inject(outage);
        let id = world.violator();
        pass(Duration::from_mins(5)).await;
        world.aws.tag(&id, TAG, "");
        world.aws.lift_all();
        world.all_settled().await;
        assert!(world.is_running(&id));
        assert!(world.aws.notices().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn exempt_messages_do_not_wait_behind_throttled_stops() {
    let mut world = World::new();
    let throttled = Fault::error(503, "RequestLimitExceeded");
    world.aws.inject(Rule::on("StopInstances").fault(throttled));
    violators(&world, 300);
    world.start();
    pass(Duration::from_mins(5)).await;
    let began = Instant::now();
    (0..50).for_each(|_| drop(world.exempt()));
    world.aws.until("the exempt are settled", |aws| aws.depth() == 300).await;
    assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn receiving_stops_during_an_outage_of_sns() {
    let mut world = World::new();
    world.aws.inject(Rule::on_service(Service::Sns));
    world.violator();
    world.start();
    pass(Duration::from_mins(2)).await;
    let receives = world.calls("ReceiveMessage");
    world.violator();
    pass(HOUR).await;
    assert_eq!(world.calls("ReceiveMessage"), receives);
}

#[tokio::test(start_paused = true)]
async fn a_denied_look_up_waits_for_the_permission() {
    let mut world = World::new();
    let denied = Fault::error(403, "UnauthorizedOperation");
    world.aws.inject(Rule::on("DescribeTags").fault(denied));
    let id = world.violator();
    world.start();
    pass(Duration::from_mins(20)).await;
    assert!(world.is_running(&id));
    assert!(world.calls("DescribeTags") <= 130, "{} probes", world.calls("DescribeTags"));
    world.aws.lift_all();
    world.all_settled().await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_invisible_while_its_stop_takes_longer_than_the_timeout() {
    let mut world = World::new();
    world.aws.latency("StopInstances", Duration::from_secs(55));
    let id = world.violator();
    world.start();
    world.all_settled_within(Duration::from_mins(5)).await;
    assert_eq!(world.most_receives(), 1);
    assert_eq!(world.stops_of(&id), 1);
}
