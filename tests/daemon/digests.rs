//! Digests: an owner of many instances gets one notice of them a minute, and every instance is
//! named before its message is deleted.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use ec2_policy_enforcer::sandbox::{Fault, Launch, Message, Notice, Options, Rule};
use tokio::time::Instant;

use crate::notice_rate::{most_in_a_second, subscribed, subscriptions};
use crate::scrape::Scrape;
use crate::world::{World, pass};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const OWNERS: [&str; 3] = ["alice", "bob", "carol"];

fn digesting(world: World) -> World {
    world.set("ENFORCER_NOTICE__DIGEST", "true")
}

/// Launches violators of an owner.
fn owned(world: &World, owner: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| world.aws.launch(Launch::default().tagged("Owner", owner))).collect()
}

/// Violators of three owners, which run before the daemon starts, with EC2's token buckets and somebody
/// who is subscribed by e-mail.
async fn storm(violators: usize) -> (World, BTreeSet<String>) {
    let world = World::with(Options { token_buckets: true, ..Options::default() });
    let world = digesting(world.with_usual_latencies())
        .set("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", "600");
    subscribed(&world, "email").await;
    let owners = OWNERS.iter().cycle().take(violators);
    let ids = owners.flat_map(|owner| owned(&world, owner, 1)).collect();
    (world, ids)
}

/// The instances that a notice names.
fn named_in(notice: &Notice) -> impl Iterator<Item = String> {
    let lines = notice.message.lines().filter(|line| line.starts_with("EC2 i-"));
    lines.map(|line| line.split(' ').nth(1).unwrap().to_owned())
}

fn named(world: &World) -> BTreeSet<String> {
    world.aws.notices().iter().flat_map(named_in).collect()
}

fn is_digest(notice: &Notice) -> bool {
    notice.message.lines().count() > 1
}

/// The instances whose messages are deleted.
fn deleted(world: &World, ids: &BTreeSet<String>) -> BTreeSet<String> {
    let messages = world.aws.messages();
    ids.iter().filter(|id| !messages.iter().any(|one| one.body.contains(*id))).cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn five_notices_of_an_owner_go_alone_and_the_rest_as_one_a_minute_later() {
    let mut world = digesting(World::new());
    let ids = owned(&world, "alice", 8);
    world.start();
    pass(59 * SECOND).await;
    let alone = world.texts();
    assert_eq!(alone.len(), 5);
    assert!(alone.iter().all(|text| text.ends_with(" Stopped")), "{alone:?}");
    assert_eq!(world.aws.messages().len(), 3);
    assert!(world.aws.messages().iter().all(Message::is_held));
    let scrape = Scrape::read(&world.health.scrape());
    assert_eq!(scrape.sum("enforcer_notices_waiting", &[]), 3);
    pass(2 * SECOND).await;
    let notices = world.aws.notices();
    assert_eq!(notices.len(), 6);
    let digest = &notices[5].message;
    assert!(digest.starts_with("3 notices about EC2 instances of alice\n\nEC2 i-"), "{digest}");
    assert_eq!(digest.lines().count(), 5);
    assert_eq!(named(&world), ids.into_iter().collect());
    assert_eq!((world.aws.depth(), world.most_receives()), (0, 1));
    let scrape = Scrape::read(&world.health.scrape());
    assert_eq!(scrape.sum("enforcer_digests_total", &[]), 1);
    assert_eq!(scrape.sum("enforcer_notices_waiting", &[]), 0);
    assert_eq!(scrape.sum("enforcer_notices_total", &["\"stopped\""]), 8);
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn an_owner_of_few_instances_waits_for_nobody() {
    let mut world = digesting(World::new());
    owned(&world, "alice", 20);
    owned(&world, "bob", 1);
    world.aws.launch(Launch::default());
    world.start();
    pass(5 * SECOND).await;
    assert_eq!(world.aws.notices().len(), 5 + 1 + 1);
    pass(MINUTE).await;
    assert_eq!(world.aws.notices().len(), 5 + 1 + 1 + 1);
    assert_eq!(world.aws.depth(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_storm_brings_each_owner_six_messages_a_minute_at_most() {
    let (mut world, ids) = storm(2_000).await;
    world.start();
    let began = Instant::now();
    world.all_settled_within(5 * MINUTE).await;
    let notices = world.aws.notices();
    let digests = notices.iter().filter(|notice| is_digest(notice)).count();
    let minutes = usize::try_from(began.elapsed().as_secs()).unwrap() / 60 + 1;
    assert!(notices.len() <= OWNERS.len() * 6 * minutes, "{} in {minutes} min", notices.len());
    assert!((3..=OWNERS.len() * minutes).contains(&digests), "{digests}");
    assert_eq!(named(&world), ids);
    assert_eq!(notices.iter().flat_map(named_in).count(), 2_000, "each is named once");
    assert!(most_in_a_second(&world) <= 9, "{}", most_in_a_second(&world));
    assert!(subscriptions(&world)[0].confirmed);
    assert_eq!(world.most_receives(), 1);
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_sns_loses_no_line_of_a_digest() {
    let (mut world, ids) = storm(600).await;
    world.start();
    pass(30 * SECOND).await;
    let outage = world.aws.inject(Rule::on("PublishBatch"));
    pass(3 * MINUTE).await;
    let before = named(&world);
    assert!(deleted(&world, &ids).is_subset(&before), "deleted before it was told");
    assert!(before.len() < 100, "{}", before.len());
    world.aws.lift(outage);
    world.all_settled_within(10 * MINUTE).await;
    assert_eq!(named(&world), ids);
    assert!(most_in_a_second(&world) <= 9, "{}", most_in_a_second(&world));
    assert!(subscriptions(&world)[0].confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_drain_publishes_at_once_what_waits_for_a_digest() {
    let (mut world, ids) = storm(600).await;
    world.start();
    pass(20 * SECOND).await;
    let before = world.aws.notices().len();
    let began = Instant::now();
    assert!(world.drain().await.complete());
    assert!(began.elapsed() < 28 * SECOND, "{:?}", began.elapsed());
    let notices = world.aws.notices();
    assert!(notices.len() - before < 100, "{}", notices.len() - before);
    assert!(notices[before..].iter().any(|notice| named_in(notice).count() > 50));
    assert_eq!(deleted(&world, &ids), named(&world));
    assert!(world.aws.messages().iter().all(|message| !message.is_held()));
    // The next daemon announces the rest; it does not know when this one published.
    pass(2 * SECOND).await;
    world.start();
    world.all_settled_within(5 * MINUTE).await;
    assert_eq!(named(&world), ids);
    assert!(most_in_a_second(&world) <= 9, "{}", most_in_a_second(&world));
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_sns_refuses_as_invalid_is_published_as_single_notices() {
    let mut world = digesting(World::new());
    let ids = owned(&world, "alice", 9);
    world.start();
    world.aws.until("five are told", |aws| aws.notices().len() == 5).await;
    let invalid = Fault::Entries { count: 10, code: "InvalidParameter".into(), sender_fault: true };
    world.aws.inject(Rule::on("PublishBatch").fault(invalid).times(2));
    pass(MINUTE + SECOND).await;
    let notices = world.aws.notices();
    assert_eq!((notices.len(), notices.iter().filter(|it| is_digest(it)).count()), (9, 0));
    assert_eq!(named(&world), ids.into_iter().collect());
    assert_eq!((world.aws.depth(), world.most_receives()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_sns_does_not_answer_waits_before_it_is_published_again() {
    let mut world = digesting(World::new());
    let ids = owned(&world, "alice", 9);
    world.start();
    world.aws.until("five are told", |aws| aws.notices().len() == 5).await;
    let hang = world.aws.inject(Rule::on("PublishBatch").fault(Fault::HangAfter));
    pass(10 * MINUTE).await;
    let digests = world.aws.notices().len() - 5;
    assert!((1..10).contains(&digests), "{digests} in 10 min");
    assert_eq!(world.aws.messages().len(), 4);
    world.aws.lift(hang);
    world.all_settled_within(6 * MINUTE).await;
    assert_eq!(named(&world), ids.into_iter().collect());
}

#[tokio::test(start_paused = true)]
async fn who_hears_of_a_stop_by_a_digest_has_the_time_that_it_tells() {
    // Times are told to the minute: where in a minute the test begins must not decide.
    let began = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_687_230));
    let world = World::with(Options { began, ..Options::default() });
    let world = world.set("ENFORCER_POLICY__GRACE", "10m");
    let world = digesting(world.set("ENFORCER_POLICY__SINCE", "2020-01-01"));
    let world = world.set("ENFORCER_SIZES__POLLERS", "1").started();
    owned(&world, "alice", 12);
    pass(4 * MINUTE).await;
    let notices = world.aws.notices();
    assert_eq!((notices.len(), world.calls("StopInstances")), (6, 0));
    let digest = &notices[5];
    assert_eq!(named_in(digest).count(), 7);
    let (first, last) = (&notices[0].message, &digest.message);
    let told = |text: &str| text.split("stopped at ").nth(1).unwrap()[..16].to_owned();
    assert!(told(last) > told(first), "{first}\n{last}");
    let earliest = world.aws.clock().wall(digest.at + 9 * MINUTE);
    let earliest = time::UtcDateTime::from(earliest).to_string();
    assert!(told(last).replace('T', " ").as_str() >= &earliest[..16], "{last} after {earliest}");
    pass(15 * MINUTE).await;
    for call in world.aws.calls("StopInstances") {
        let in_digest: BTreeSet<_> = named_in(digest).collect();
        if call.stopped.iter().any(|id| in_digest.contains(id)) {
            assert!(call.at - digest.at >= 10 * MINUTE, "{:?}", call.at - digest.at);
        }
    }
    assert_eq!(world.aws.depth(), world.aws.messages().len());
    assert!(world.aws.instances().iter().all(|one| !world.is_running(&one.id)));
}

#[tokio::test(start_paused = true)]
async fn owners_are_read_only_where_notices_tell_them() {
    for digest in ["false", "true"] {
        let mut world = World::new().set("ENFORCER_NOTICE__DIGEST", digest);
        let id = &owned(&world, "alice", 1)[0];
        world.start();
        world.all_settled().await;
        let looks = world.aws.calls("DescribeTags");
        let mut keys = looks.iter().filter_map(|look| look.seen_tags.get(id)).flatten();
        assert_eq!(keys.any(|key| key == "Owner"), digest == "true");
    }
}
