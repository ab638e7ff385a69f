//! The preflight (`check`) against the sandbox: what it finds, and that it changes nothing.

mod audit;
mod brakes;
mod expiry;
mod instances;
mod members;
mod policies;
mod resources;

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use ec2_policy_enforcer::commands::check::{self, Finding, Report, State, Subject};
use ec2_policy_enforcer::domain::ids::InstanceId;
use ec2_policy_enforcer::sandbox::{Fault, Message, Options, Outcome, Rule};
use serde_json::Value;
use tokio::time::Instant;

use crate::world::{TAG, World};

fn guarded() -> World {
    World::with(Options { guard_tag: Some(TAG.to_owned()), ..Options::default() })
}

/// A role, a queue and a topic as they should be, with a violator and an exempt instance.
async fn sound() -> World {
    let options = Options {
        guard_tag: Some(TAG.to_owned()),
        date_ahead: Some(Duration::ZERO),
        ..Options::default()
    };
    let world = World::with(options);
    world.violator();
    world.exempt();
    subscribe(&world).await;
    world
}

async fn subscribe(world: &World) {
    let sns = aws_sdk_sns::Client::new(&world.aws.sdk_config());
    let call = sns.subscribe().topic_arn(&world.resources.topic_arn).protocol("sqs");
    call.endpoint(&world.resources.dead_letter_arn).send().await.unwrap();
}

async fn set_queue(world: &World, name: QueueAttributeName, value: &str) {
    let sqs = aws_sdk_sqs::Client::new(&world.aws.sdk_config());
    let call = sqs.set_queue_attributes().queue_url(&world.resources.queue_url);
    call.attributes(name, value).send().await.unwrap();
}

async fn report(world: &World) -> Report {
    check::inspect(&world.settings(), &world.aws.sdk_config(), None, |_| {}).await
}

async fn report_on(world: &World, id: &str) -> Report {
    let id = InstanceId::parse(id).unwrap();
    check::inspect(&world.settings(), &world.aws.sdk_config(), Some(&id), |_| {}).await
}

fn on(report: &Report, subject: Subject) -> &Finding {
    report.findings.iter().find(|finding| finding.subject == subject).unwrap()
}

fn states(report: &Report, state: State) -> Vec<Subject> {
    let findings = report.findings.iter().filter(|finding| finding.state == state);
    findings.map(|finding| finding.subject).collect()
}

/// Expects a finding about a subject, and returns its text.
async fn found(world: &World, subject: Subject, state: State) -> String {
    let report = report(world).await;
    let finding = on(&report, subject);
    assert_eq!(finding.state, state, "{report}");
    finding.found.clone()
}

fn missing(report: &Report) -> Vec<Value> {
    let document: Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    document["missing_policy"]["Statement"].as_array().cloned().unwrap_or_default()
}

/// The statement of that Sid in a policy under deploy/iam, with the sandbox's names.
fn deployed(world: &World, policy: &str, sid: &str) -> Value {
    let path = format!("deploy/iam/{policy}.json");
    let names = [
        (
            "arn:aws:sqs:eu-central-1:123456789012:ec2-policy-enforcer-events",
            &world.resources.queue_arn,
        ),
        (
            "arn:aws:sqs:eu-central-1:123456789012:ec2-policy-enforcer-dead-letters",
            &world.resources.dead_letter_arn,
        ),
        (
            "arn:aws:sns:eu-central-1:123456789012:ec2-policy-enforcer-notices",
            &world.resources.topic_arn,
        ),
        ("eu-central-1", &world.resources.region),
    ];
    let text = std::fs::read_to_string(path).unwrap();
    let text = names.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let policy: Value = serde_json::from_str(&text).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().find(|statement| statement["Sid"] == sid).unwrap().clone()
}

fn deny(world: &World, operation: &str, code: &str) {
    world.aws.inject(Rule::on(operation).fault(Fault::error(403, code)));
}

#[tokio::test(start_paused = true)]
async fn in_a_sound_installation_only_what_has_no_harmless_proof_is_not_proven() {
    let report = report(&sound().await).await;
    let unproven = [Subject::Rule, Subject::Receiving, Subject::Publishing];
    assert_eq!(states(&report, State::NotProven), unproven, "{report}");
    // By default there is no budget, no grace and no audit trail.
    assert_eq!(states(&report, State::Warning), [Subject::Brakes; 3], "{report}");
    let others = unproven.len() + 3;
    assert_eq!(states(&report, State::Ok).len() + others, report.findings.len());
    assert_eq!((report.exit_code(), missing(&report)), (0, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_holds_nothing_up_and_each_part_comes_with_its_host() {
    let world = sound().await.set("ENFORCER_SCOPE__REGIONS", "us-east-1");
    for hangs in ["GetQueueAttributes", "GetTopicAttributes", "DescribeTags"] {
        world.aws.inject(Rule::on(hangs).fault(Fault::HangBefore));
    }
    let began = Instant::now();
    let mut parts = Vec::new();
    let show = |findings: &[Finding]| {
        let subject = findings[findings.len() - 1].subject;
        parts.push((subject, began.elapsed().as_secs()));
    };
    let report = check::inspect(&world.settings(), &world.aws.sdk_config(), None, show).await;
    let ends: Vec<_> = parts.iter().map(|(_, secs)| *secs).collect();
    // A call may take 10 s.
    assert_eq!(ends, [0, 10, 10, 10], "{parts:?}");
    for (subject, host) in [
        (Subject::Credentials, "sts.us-east-1.amazonaws.com"),
        (Subject::Topic, "sns.us-east-1.amazonaws.com"),
        (Subject::Queue, "sqs.us-east-1.amazonaws.com"),
        (Subject::Tags, "ec2.us-east-1.amazonaws.com"),
    ] {
        assert_eq!(on(&report, subject).endpoint.as_deref(), Some(host), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stopped_deleted_received_or_published() {
    let world = sound().await;
    let before = world.aws.messages();
    let calls = world.aws.ledger().len();
    report(&world).await;
    report_on(&world, &world.aws.instances()[0].id).await;
    let asked = world.aws.ledger().split_off(calls);
    assert!(!asked.is_empty());
    for call in &asked {
        let reads = ["Get", "Describe", "List"];
        let harmless = reads.iter().any(|read| call.operation.starts_with(read));
        let dry = ["DryRunOperation", "UnauthorizedOperation"];
        let dry = dry.map(|code| Outcome::Failed { code: code.to_owned() });
        let dry = call.operation == "StopInstances" && dry.contains(&call.result);
        assert!(harmless || dry, "{call:?}");
        assert!(call.stopped.is_empty(), "{call:?}");
    }
    assert!(world.aws.instances().iter().all(|instance| world.is_running(&instance.id)));
    let ids = |messages: &[Message]| {
        messages.iter().map(|message| (message.id.clone(), message.is_held())).collect::<Vec<_>>()
    };
    assert_eq!(ids(&world.aws.messages()), ids(&before));
    assert!(world.aws.dead_letters().is_empty());
    assert!(world.aws.notices().is_empty());
}
