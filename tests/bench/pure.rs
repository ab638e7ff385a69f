//! The cost of reading an event and of deciding about an instance: `cargo bench --bench pure`.

mod decisions;

use divan::{Bencher, black_box};
use ec2_policy_enforcer::domain::audit::outcome::{OutcomeLine, Seen};
use ec2_policy_enforcer::domain::event::{Reading, Scope};
use ec2_policy_enforcer::domain::ids::{Account, InstanceId, Region};
use ec2_policy_enforcer::domain::members::Members;
use ec2_policy_enforcer::domain::outcome::Outcome;
use ec2_policy_enforcer::domain::policy::Policies;
use ec2_policy_enforcer::domain::policy::attribute::{Attribute, Attributes, Value};
use ec2_policy_enforcer::domain::policy::decision::Decision;
use ec2_policy_enforcer::domain::policy::facts::{Facts, Tags};
use ec2_policy_enforcer::domain::policy::occasion::Trigger;
use ec2_policy_enforcer::domain::policy::subject::Subject;
use time::UtcDateTime;

const MESSAGE_ID: &str = "8f7d6b0d-3c1e-4a42-9b19-46ac92f5c4a0";
const RUNNING: &str = r#"{"version":"0","id":"b1946ac9-2f5c-4a0e-8f7d-6b0d3c1e5a42","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"123456789012","time":"2026-05-04T07:12:31Z","region":"us-east-1","resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-0abcd1234abcd1234"],"detail":{"instance-id":"i-0abcd1234abcd1234","state":"running"}}"#;

fn main() {
    divan::main();
}

fn scope() -> Option<Scope> {
    Some(Scope {
        account: Account::parse("123456789012")?,
        members: Members::default(),
        regions: vec![Region::parse("us-east-1")?],
        tag_changes: false,
    })
}

fn read(bencher: Bencher<'_, '_>, body: &str) {
    let Some(scope) = scope() else { return };
    bencher.bench(|| scope.read(black_box(body), MESSAGE_ID));
}

#[divan::bench]
fn reads_a_running_event(bencher: Bencher<'_, '_>) {
    read(bencher, RUNNING);
}

#[divan::bench]
fn reads_a_running_event_from_sns(bencher: Bencher<'_, '_>) {
    let escaped = RUNNING.replace('"', "\\\"");
    let envelope = format!(r#"{{"Type":"Notification","Message":"{escaped}"}}"#);
    read(bencher, &envelope);
}

#[divan::bench]
fn ignores_another_state(bencher: Bencher<'_, '_>) {
    read(bencher, &RUNNING.replace("running", "stopped"));
}

#[divan::bench]
fn rejects_what_is_not_json(bencher: Bencher<'_, '_>) {
    read(bencher, &RUNNING[1..]);
}

/// EC2 allows 50 tags.
#[divan::bench(args = [0, 5, 50])]
fn decides_by_tags(bencher: Bencher<'_, '_>, count: usize) {
    let Some(Scope { account, regions, .. }) = scope() else { return };
    let (Some(id), [region]) = (InstanceId::parse("i-0abcd1234abcd1234"), &*regions) else {
        return;
    };
    let policies = Policies::builtin("SPECIAL_EXCEPTION");
    let occasion = policies.occasion(UtcDateTime::UNIX_EPOCH, Trigger::Start);
    let subject = Subject { account: &account, region, id: &id };
    let tag = |number| (format!("key-{number}"), format!("value-{number}"));
    let facts = Facts { tags: (0..count).map(tag).collect(), ..Facts::running() };
    bencher.bench(|| policies.decide(subject, black_box(&facts), &occasion));
}

/// A line of the audit trail about a violator.
#[divan::bench]
fn tells_an_outcome(bencher: Bencher<'_, '_>) {
    let Some(Reading::Relevant(event)) = scope().map(|scope| scope.read(RUNNING, MESSAGE_ID))
    else {
        return;
    };
    let (now, decision) = (UtcDateTime::UNIX_EPOCH, Decision::plain());
    let policies = Policies::builtin("SPECIAL_EXCEPTION").digest();
    let (tags, launched) = (Tags::new(), (Attribute::LaunchTime, Value::Time(now)));
    let attributes = Attributes::from([launched]);
    let seen = Seen {
        first: Some((now, &tags)),
        second: Some((now, &tags, &attributes)),
        policies: Some(policies),
    };
    let line = OutcomeLine {
        time: now,
        message: Some(MESSAGE_ID),
        about: Some(&event),
        seen,
        decision: Some(&decision),
        outcome: Outcome::Stopped,
        reason: None,
        deadline: None,
        notice: Some(MESSAGE_ID),
    };
    bencher.bench(|| serde_json::to_vec(black_box(&line)));
}
