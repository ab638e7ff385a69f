//! Exemptions that end with a date in the exception tag.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ec2_policy_enforcer::domain::ids::{Account, Region};
use ec2_policy_enforcer::sandbox::{Fault, Launch, Options, Rule, Sandbox};
use ec2_policy_enforcer::settings::{Live, Place, Settings};
use serde_json::Value;
use time::{Month, UtcDateTime};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;

use crate::program::{program, serve, terminate};
use crate::scrape::Scrape;
use crate::world::{TAG, World, pass};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const EXPIRES: &str = "ENFORCER_POLICY__EXCEPTION_EXPIRES";
/// The last day of exemptions.
const LAST_DAY: &str = "until=2026-12-31";
/// The end of that day, as notices have it.
const END: &str = "2027-01-01T00:00Z";

/// A world in which it is so long before the end of the last day.
fn before_the_end(by: Duration) -> World {
    before_the_end_with(by, Options::default())
}

fn before_the_end_with(by: Duration, options: Options) -> World {
    let end = time::Date::from_calendar_date(2027, Month::January, 1).unwrap();
    let end = SystemTime::from(UtcDateTime::new(end, time::Time::MIDNIGHT));
    // The answers have dates, by which the daemon knows AWS's time of day.
    let date_ahead = Some(Duration::ZERO);
    let world = World::with(Options { began: Some(end - by), date_ahead, ..options });
    world.set(EXPIRES, "true")
}

fn tagged(world: &World, value: &str) -> String {
    world.aws.launch(Launch::default().tagged(TAG, value))
}

fn metric(world: &World, name: &str) -> usize {
    Scrape::read(&world.health.scrape()).sum(name, &[])
}

fn ended(id: &str) -> String {
    format!(
        "EC2 {id} Stopped\nIts exemption ended at {END}; a later date in the tag {TAG} exempts it \
         again."
    )
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_starts_after_the_date_of_its_tag_is_stopped() {
    let mut world = before_the_end(10 * SECOND).started();
    let id = tagged(&world, LAST_DAY);
    world.all_settled().await;
    assert!(world.is_running(&id));
    // The first second of the next day: SQS's date is in whole seconds, and may be one behind.
    pass(12 * SECOND).await;
    world.aws.send(&world.aws.event(&id));
    world.all_settled().await;
    assert!(!world.is_running(&id));
    assert_eq!(world.texts(), [ended(&id)]);
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn not_a_second_before_the_end_of_the_day_anything_is_stopped() {
    for value in [LAST_DAY, "2026-12-31", "ticket-1 until=2027-01-01T01:00:00+01:00"] {
        let world = before_the_end(SECOND).started();
        let id = tagged(&world, value);
        world.all_settled().await;
        assert!(world.is_running(&id) && world.texts().is_empty(), "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_a_date_ends_nothing() {
    let world = before_the_end(SECOND).set(EXPIRES, "false").started();
    let id = tagged(&world, "until=2020-01-01");
    world.all_settled().await;
    assert!(world.is_running(&id) && world.texts().is_empty());
    assert_eq!(world.calls("DescribeInstances"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_the_host_decides_nothing() {
    let world = before_the_end(MINUTE).with_clock_ahead(Duration::from_hours(2)).started();
    world.aws.until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
    let id = tagged(&world, LAST_DAY);
    world.all_settled().await;
    assert!(world.is_running(&id));
}

#[tokio::test(start_paused = true)]
async fn a_later_date_that_only_one_call_shows_exempts() {
    for operation in ["DescribeTags", "DescribeInstances"] {
        let world = before_the_end(Duration::ZERO);
        let id = tagged(&world, "until=2027-06-30");
        world.aws.hide_tags(&id, operation);
        let world = world.started();
        pass(MINUTE).await;
        assert!(world.is_running(&id), "hidden from {operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exemption_that_is_prolonged_between_the_looks_exempts() {
    let world = before_the_end(Duration::ZERO);
    let id = tagged(&world, "until=2026-01-31");
    let prolong = {
        let id = id.clone();
        Fault::run(move |aws: &Sandbox| aws.tag(&id, TAG, "until=2027-01-31"))
    };
    world.aws.inject(Rule::on("DescribeInstances").fault(prolong).times(1));
    let world = world.started();
    world.all_settled().await;
    assert!(world.is_running(&id) && world.texts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_grace_of_an_exemption_that_ended_begins_at_its_end() {
    let world = before_the_end(Duration::ZERO).set("ENFORCER_POLICY__GRACE", "4h");
    let world = world.set("ENFORCER_POLICY__SINCE", "2020-01-01").started();
    let launch = Launch::default().launched_ago(Duration::from_hours(48));
    let id = world.aws.launch(launch.tagged(TAG, LAST_DAY).quiet());
    let event = world.altered_event(&id, |event| event["time"] = "2026-12-31T20:00:00Z".into());
    world.aws.send(&event);
    world.notices(1).await;
    let text = &world.texts()[0];
    let told = format!("EC2 {id} will be stopped at 2027-01-01T04:00Z\n");
    assert!(text.starts_with(&told), "{text}");
    assert!(text.contains(&format!("Its exemption ended at {END}; ")), "{text}");
    assert!(!text.contains("To exempt the instance"), "{text}");
    pass(Duration::from_hours(3)).await;
    assert!(world.is_running(&id));
    pass(Duration::from_hours(1) + MINUTE).await;
    assert!(!world.is_running(&id));
}

#[tokio::test(start_paused = true)]
async fn a_date_that_cannot_be_read_ends_nothing_and_is_counted() {
    let world = before_the_end(Duration::ZERO).started();
    let values = ["until=tomorrow", "until=2026-13-01", "2026-02-30", "3d"];
    let unclear: Vec<_> = values.iter().map(|value| tagged(&world, value)).collect();
    let endless = tagged(&world, "yes");
    world.all_settled().await;
    assert!(unclear.iter().chain([&endless]).all(|id| world.is_running(id)));
    assert_eq!(metric(&world, "enforcer_unclear_exemptions_total"), values.len());
    assert_eq!(metric(&world, "enforcer_events_total"), values.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_denies_what_has_a_date_is_told_as_access_denied() {
    let guard_tag = Some(TAG.to_owned());
    let options = Options { guard_tag, ..Options::default() };
    let world = before_the_end_with(Duration::ZERO, options).started();
    let id = tagged(&world, LAST_DAY);
    world.all_settled_within(Duration::from_mins(12)).await;
    assert!(world.is_running(&id));
    let text = &world.texts()[0];
    assert!(text.starts_with(&format!("EC2 {id} NOT stopped: access denied\n")), "{text}");
}

/// What a reload hands to the daemon.
fn live(settings: &Settings) -> Live {
    let place = Place {
        account: Account::parse("123456789012"),
        default_region: Region::parse("us-east-1").unwrap(),
    };
    let policies = Some(Arc::new(settings.policies(&place).unwrap()));
    Live { policies, ..settings.live() }
}

#[tokio::test(start_paused = true)]
async fn a_reload_lets_exemptions_end_and_lets_them_last_again() {
    let expiring = before_the_end(Duration::ZERO);
    let lasting = World::new();
    let (change, followed) = watch::channel(lasting.settings().live());
    let world = before_the_end(Duration::ZERO).set(EXPIRES, "false").following(followed).started();
    let launch = |world: &World| tagged(world, LAST_DAY);
    let before = launch(&world);
    world.all_settled().await;
    change.send_replace(live(&expiring.settings()));
    let during = launch(&world);
    world.all_settled().await;
    change.send_replace(live(&lasting.settings()));
    let after = launch(&world);
    world.all_settled().await;
    let running = [&before, &during, &after].map(|id| world.is_running(id));
    assert_eq!(running, [true, false, true]);
}

#[tokio::test]
async fn a_date_that_cannot_be_read_is_warned_of_once_for_each_value() {
    let served = serve().await;
    let mut child = program(&served).env(EXPIRES, "true").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let id = served.aws.launch(Launch::default().tagged(TAG, "until=tomorrow"));
    let settled = |aws: &Sandbox| aws.depth() == 0;
    served.aws.until("the first is settled", settled).await;
    for value in ["until=tomorrow", "2026-02-30"] {
        served.aws.tag(&id, TAG, value);
        served.aws.send(&served.aws.event(&id));
        served.aws.until("the next is settled", settled).await;
    }
    terminate(&child);
    let mut warned = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"].as_str().unwrap().starts_with("cannot read the date in the exception") {
            assert_eq!(
                (&line["level"], &line["instance.id"]),
                (&"WARN".into(), &id.clone().into())
            );
            warned.push(line["tag.value"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(warned, ["until=tomorrow", "2026-02-30"]);
    assert!(child.wait().await.unwrap().success());
}
