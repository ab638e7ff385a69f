//! Instances: states, tags, stops, pages, buckets.

use std::time::{Duration, SystemTime};

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::Filter;
use tokio::time::{Instant, advance};

use super::world;
use crate::sandbox::{Launch, Lifecycle, Options, Sandbox, State};

#[tokio::test(start_paused = true)]
async fn a_launch_sends_its_event_and_the_instance_can_be_stopped() {
    let world = world();
    let id = world.sandbox.launch(Launch::default().tagged("Name", "web"));

    let messages = world.receive(20).await;
    let body: serde_json::Value = serde_json::from_str(messages[0].body().unwrap()).unwrap();
    assert_eq!(body["detail"], serde_json::json!({"instance-id": id, "state": "running"}));

    let filter = Filter::builder().name("resource-id").values(&id).build();
    let tags = world.ec2.describe_tags().filters(filter).send().await.unwrap();
    assert_eq!(tags.tags()[0].key(), Some("Name"));
    assert_eq!(world.stop(&[&id]).await, Ok(1));
    assert_eq!(world.sandbox.instance(&id).unwrap().state, State::Stopped);
    assert_eq!(world.sandbox.calls("StopInstances")[0].stopped, [id]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_all_or_nothing() {
    let world = world();
    let good = world.sandbox.launch(Launch::default());
    let protected = world.sandbox.launch(Launch::default().stop_protected());
    let spot = world.sandbox.launch(Launch::default().lifecycle(Lifecycle::SpotOneTime));
    for (bad, code) in [
        (protected.as_str(), "OperationNotPermitted"),
        (&spot, "UnsupportedOperation"),
        ("i-0123456789abcdef0", "InvalidInstanceID.NotFound"),
        ("i-*", "InvalidInstanceID.Malformed"),
    ] {
        assert_eq!(world.stop(&[&good, bad]).await, Err(code.to_owned()));
    }
    assert_eq!(world.sandbox.instance(&good).unwrap().state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn the_stop_bucket_holds_fifty_requests_and_refills_by_five_a_second() {
    let sandbox = Sandbox::new(Options { token_buckets: true, ..Options::default() });
    let ec2 = aws_sdk_ec2::Client::new(&sandbox.sdk_config());
    let id = sandbox.launch(Launch::default());
    let stop = || async { ec2.stop_instances().instance_ids(&id).send().await };
    for _ in 0..50 {
        stop().await.unwrap();
    }
    assert_eq!(stop().await.unwrap_err().code(), Some("RequestLimitExceeded"));
    advance(Duration::from_secs(1)).await;
    for _ in 0..5 {
        stop().await.unwrap();
    }
    assert!(stop().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn pages_follow_one_another_without_gaps() {
    let sandbox = Sandbox::new(Options { page_size: Some(2), ..Options::default() });
    let ec2 = aws_sdk_ec2::Client::new(&sandbox.sdk_config());
    for number in 0..5 {
        sandbox.launch(Launch::default().tagged("number", number.to_string()));
    }
    let pages = ec2.describe_tags().into_paginator().items().send();
    assert_eq!(pages.collect::<Result<Vec<_>, _>>().await.unwrap().len(), 5);
    let pages = ec2.describe_instances().into_paginator().send();
    assert_eq!(pages.collect::<Result<Vec<_>, _>>().await.unwrap().len(), 3);
    let calls = sandbox.calls("DescribeInstances").into_iter();
    let pages: Vec<_> = calls.map(|call| (call.turns_page, call.has_more)).collect();
    assert_eq!(pages, [(false, true), (true, true), (true, false)]);
}

#[tokio::test(start_paused = true)]
async fn until_wakes_when_an_instance_changes_its_state() {
    let options = Options { pending: Duration::from_secs(9), ..Options::default() };
    let sandbox = Sandbox::new(options);
    let start = Instant::now();
    let id = sandbox.launch(Launch::default());
    let runs = |sandbox: &Sandbox| sandbox.instance(&id).unwrap().state == State::Running;
    sandbox.until("the instance runs", runs).await;
    assert_eq!(start.elapsed().as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_persistent_spot_instance_can_be_stopped() {
    let world = world();
    let id = world.sandbox.launch(Launch::default().lifecycle(Lifecycle::SpotPersistent));
    assert_eq!(world.stop(&[&id]).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_managed_instance_is_hidden_from_lists_and_cannot_be_stopped() {
    let world = world();
    let id = world.sandbox.launch(Launch::default().managed());
    let seen = |all| {
        let describe = world.ec2.describe_instances().include_managed_resources(all);
        async move { describe.send().await.unwrap().reservations().len() }
    };
    assert_eq!((seen(false).await, seen(true).await), (0, 1));
    assert_eq!(world.stop(&[&id]).await, Err("UnauthorizedOperation".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_unknown_in_another_region() {
    let world = world();
    let id = world.sandbox.launch(Launch::default().region("eu-west-1"));
    assert_eq!(world.stop(&[&id]).await, Err("InvalidInstanceID.NotFound".to_owned()));
    assert!(world.receive(1).await[0].body().unwrap().contains("eu-west-1"));
}

#[tokio::test(start_paused = true)]
async fn the_ledger_has_the_tags_of_an_answer() {
    let world = world();
    let id = world.sandbox.launch(Launch::default().tagged("Name", "web"));
    world.ec2.describe_instances().send().await.unwrap();
    world.sandbox.hide_tags(&id, "DescribeInstances");
    world.ec2.describe_instances().send().await.unwrap();
    let looks = world.sandbox.calls("DescribeInstances");
    assert_eq!(looks[0].seen_tags[&id], ["Name"]);
    assert!(looks[1].seen_tags[&id].is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_described_instance_has_as_many_details_as_in_aws() {
    let world = world();
    world.sandbox.launch(Launch::default().usually_tagged());
    let answer = world.ec2.describe_instances().send().await.unwrap();
    let instance = &answer.reservations()[0].instances()[0];
    assert_eq!(instance.tags().len(), 14);
    assert_eq!(instance.block_device_mappings().len(), 2);
    assert_eq!(instance.network_interfaces()[0].private_ip_addresses().len(), 1);
    assert!(instance.launch_time().is_some() && instance.metadata_options().is_some());
}

#[tokio::test(start_paused = true)]
async fn tags_can_be_asked_for_by_key_beside_the_ids() {
    let world = world();
    let launch = Launch::default().usually_tagged();
    let id = world.sandbox.launch(launch.clone().tagged("KEEP", "").tagged("KEEPER", ""));
    let other = world.sandbox.launch(launch);
    let filter = |name, values: &[&str]| {
        let values = values.iter().map(ToString::to_string).collect();
        Filter::builder().name(name).set_values(Some(values)).build()
    };
    for (key, expected) in [("KEEP", 1), ("KEEP*", 2), ("KE?P", 1), (r"KEEP\*", 0), ("keep", 0)] {
        let list = world.ec2.describe_tags().filters(filter("resource-id", &[&id, &other]));
        let answer = list.filters(filter("key", &[key])).send().await.unwrap();
        assert_eq!(answer.tags().len(), expected, "{key}");
        assert!(answer.tags().iter().all(|tag| tag.resource_id() == Some(&id)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_ledger_has_the_states_of_an_answer_and_the_caller() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    world.stop(&[&id]).await.unwrap();
    let call = &world.sandbox.calls("StopInstances")[0];
    assert_eq!(call.seen_states[&id], "stopping");
    assert_eq!((call.caller.as_str(), call.effect), ("SANDBOX", Some(0)));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_day_can_be_set() {
    let began = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
    let sandbox = Sandbox::new(Options { began: Some(began), ..Options::default() });
    assert!(sandbox.event("i-1").contains("1970-01-01T01:00:00Z"));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_that_would_succeed_is_an_error_with_status_412() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    let error = world.ec2.stop_instances().instance_ids(&id).dry_run(true).send().await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), Some("DryRunOperation"));
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 412);
    assert_eq!(world.sandbox.instance(&id).unwrap().state, State::Running);
}

#[test]
fn the_same_seed_gives_the_same_ids() {
    let launch = |seed| {
        let sandbox = Sandbox::new(Options { seed, ..Options::default() });
        sandbox.launch(Launch::default())
    };
    assert_eq!(launch(7), launch(7));
    assert_ne!(launch(7), launch(8));
}
