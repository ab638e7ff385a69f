//! Faults: before and after the effect, in part, and for a while.

use std::time::Duration;

use aws_sdk_ec2::error::ProvideErrorMetadata;
use tokio::time::{Instant, timeout};

use super::world;
use crate::sandbox::{Fault, Launch, Options, Outcome, Rule, Sandbox, Service, State};

#[tokio::test(start_paused = true)]
async fn a_connection_cut_after_the_effect_does_not_undo_it() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    world.sandbox.inject(Rule::on("StopInstances").times(1).fault(Fault::CutAfter));
    assert_eq!(world.stop(&[&id]).await, Err("no code".to_owned()));
    let call = &world.sandbox.calls("StopInstances")[0];
    assert_eq!((&call.result, &call.stopped), (&Outcome::Cut, &vec![id]));
}

#[tokio::test(start_paused = true)]
async fn the_state_can_change_between_a_request_and_its_effect() {
    let sandbox = Sandbox::new(Options { guard_tag: Some("EXEMPT".into()), ..Options::default() });
    let ec2 = aws_sdk_ec2::Client::new(&sandbox.sdk_config());
    let id = sandbox.launch(Launch::default());
    let tagged = id.clone();
    let tag = Fault::run(move |sandbox| sandbox.tag(&tagged, "exempt", ""));
    sandbox.inject(Rule::on("StopInstances").naming(&id).fault(tag));
    let error = ec2.stop_instances().instance_ids(&id).send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnauthorizedOperation"));
    assert!(error.message().unwrap().contains(&id));
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_batch_can_fail_alone() {
    let world = world();
    let code = "InternalError".to_owned();
    let fault = Fault::Entries { count: 1, code, sender_fault: false };
    world.sandbox.inject(Rule::on("PublishBatch").fault(fault));
    let entry = |id: &str| {
        let entry = aws_sdk_sns::types::PublishBatchRequestEntry::builder();
        entry.id(id).message(format!("text {id}")).build().unwrap()
    };
    let publish = world.sns.publish_batch().topic_arn(&world.made.topic_arn);
    let answer = publish
        .publish_batch_request_entries(entry("a"))
        .publish_batch_request_entries(entry("b"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.failed()[0].id(), "a");
    assert_eq!(world.sandbox.notices()[0].message, "text b");
    let failed = &world.sandbox.calls("PublishBatch")[0].failed;
    assert_eq!(*failed, [("text a".to_owned(), "InternalError".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_effect_when_its_caller_has_given_up() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    world.sandbox.latency("StopInstances", Duration::from_secs(90));
    assert!(timeout(Duration::from_mins(1), world.stop(&[&id])).await.is_err());
    assert_eq!(world.sandbox.instance(&id).unwrap().state, State::Running);
    let left = |sandbox: &Sandbox| sandbox.calls("StopInstances")[0].result == Outcome::Abandoned;
    world.sandbox.until("the call is over", left).await;
    assert_eq!(world.sandbox.instance(&id).unwrap().state, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_call_can_hang_before_or_after_its_effect() {
    let world = world();
    for (fault, state) in [(Fault::HangBefore, State::Running), (Fault::HangAfter, State::Stopped)]
    {
        let id = world.sandbox.launch(Launch::default());
        world.sandbox.inject(Rule::on("StopInstances").times(1).fault(fault));
        assert!(timeout(Duration::from_secs(5), world.stop(&[&id])).await.is_err());
        assert_eq!(world.sandbox.instance(&id).unwrap().state, state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_can_fail_and_recover() {
    let world = world();
    let outage = world.sandbox.inject(Rule::on_service(Service::Sns));
    let publish = || world.sns.publish().topic_arn(&world.made.topic_arn).message("hi").send();
    assert_eq!(publish().await.unwrap_err().code(), Some("InternalError"));
    world.sandbox.lift(outage);
    publish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rule_can_strike_some_calls_after_the_first_ones() {
    let world = world();
    let rule = Rule::on("StopInstances").after(1).times(2).fault(Fault::error(503, "Unavailable"));
    world.sandbox.inject(rule);
    let id = world.sandbox.launch(Launch::default());
    let mut results = Vec::new();
    for _ in 0..4 {
        results.push(world.stop(&[&id]).await.is_ok());
    }
    assert_eq!(results, [true, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_can_leave_some_of_its_instances_running() {
    let world = world();
    let ids = [world.sandbox.launch(Launch::default()), world.sandbox.launch(Launch::default())];
    let fault = Fault::Entries { count: 1, code: String::new(), sender_fault: false };
    world.sandbox.inject(Rule::on("StopInstances").fault(fault));
    assert_eq!(world.stop(&[&ids[0], &ids[1]]).await, Ok(1));
    assert_eq!(world.sandbox.instance(&ids[0]).unwrap().state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn latency_is_counted_in_tokios_time() {
    let world = world();
    world.sandbox.latency("*", Duration::from_secs(2));
    let start = Instant::now();
    world.receive(0).await;
    assert_eq!(start.elapsed().as_secs(), 2);
}
