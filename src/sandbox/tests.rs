//! The sandbox through the eyes of the real SDK clients, on a paused clock.

use std::time::Duration;

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::Filter;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use tokio::time::Instant;

use super::*;

struct World {
    sandbox: Sandbox,
    made: Resources,
    sqs: aws_sdk_sqs::Client,
    ec2: aws_sdk_ec2::Client,
    sns: aws_sdk_sns::Client,
}

fn world() -> World {
    let sandbox = Sandbox::new(Options::default());
    let config = sandbox.sdk_config();
    World {
        made: sandbox.set_up(),
        sqs: aws_sdk_sqs::Client::new(&config),
        ec2: aws_sdk_ec2::Client::new(&config),
        sns: aws_sdk_sns::Client::new(&config),
        sandbox,
    }
}

impl World {
    async fn receive(&self, wait_secs: i32) -> Vec<aws_sdk_sqs::types::Message> {
        let receive = self.sqs.receive_message().queue_url(&self.made.queue_url);
        let receive = receive.max_number_of_messages(10).wait_time_seconds(wait_secs);
        receive.send().await.unwrap().messages.unwrap_or_default()
    }

    async fn stop(&self, ids: &[&str]) -> Result<usize, String> {
        let stop = self.ec2.stop_instances();
        let stop = stop.set_instance_ids(Some(ids.iter().map(ToString::to_string).collect()));
        match stop.send().await {
            Ok(answer) => Ok(answer.stopping_instances().len()),
            Err(error) => Err(error.code().unwrap_or("no code").to_owned()),
        }
    }
}

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
async fn a_long_poll_wakes_when_a_message_is_sent() {
    let world = world();
    let start = Instant::now();
    let send = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.sandbox.send("hello")
    };
    let (messages, id) = tokio::join!(world.receive(20), send);
    assert_eq!(messages[0].message_id(), Some(id.as_str()));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_returns_when_its_visibility_timeout_is_over() {
    let world = world();
    world.sandbox.send("hello");
    let first = world.receive(0).await;
    let start = Instant::now();
    let second = loop {
        let again = world.receive(20).await;
        if !again.is_empty() {
            break again;
        }
    };
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_ne!(first[0].receipt_handle(), second[0].receipt_handle());
    assert_eq!(world.sandbox.messages()[0].receive_count, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stale_receipt_deletes_nothing_and_a_malformed_one_is_refused() {
    let world = world();
    world.sandbox.send("hello");
    let stale = world.receive(0).await[0].receipt_handle().unwrap().to_owned();
    tokio::time::advance(Duration::from_secs(30)).await;
    world.receive(0).await;

    let entry = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    };
    let delete = world.sqs.delete_message_batch().queue_url(&world.made.queue_url);
    let delete = delete.entries(entry("stale", &stale)).entries(entry("bad", "garbage"));
    let answer = delete.send().await.unwrap();
    assert_eq!(answer.successful()[0].id(), "stale");
    assert_eq!(answer.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(world.sandbox.messages().len(), 1);
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
async fn a_cut_after_the_effect_leaves_the_effect() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    world.sandbox.inject(Rule::on("StopInstances").times(1).fault(Fault::CutAfter));
    assert_eq!(world.stop(&[&id]).await, Err("no code".to_owned()));
    let call = &world.sandbox.calls("StopInstances")[0];
    assert_eq!((&call.result, &call.stopped), (&Outcome::Cut, &vec![id]));
}

#[tokio::test(start_paused = true)]
async fn the_world_can_change_between_the_request_and_its_effect() {
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
async fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
    let world = world();
    let id = world.sandbox.send("poison");
    for _ in 0..21 {
        world.receive(0).await;
        tokio::time::advance(Duration::from_secs(30)).await;
    }
    assert!(world.sandbox.messages().is_empty());
    assert_eq!(world.sandbox.dead_letters()[0].id, id);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_queue_has_the_code_of_the_query_protocol() {
    let world = world();
    let url = world.made.queue_url.replace("state", "other");
    let error = world.sqs.receive_message().queue_url(url).send().await.unwrap_err();
    assert_eq!(error.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
}

#[tokio::test(start_paused = true)]
async fn until_wakes_for_what_happens_by_itself() {
    let options = Options { pending: Duration::from_secs(9), ..Options::default() };
    let sandbox = Sandbox::new(options);
    let start = Instant::now();
    let id = sandbox.launch(Launch::default());
    let runs = |sandbox: &Sandbox| sandbox.instance(&id).unwrap().state == State::Running;
    sandbox.until("the instance runs", runs).await;
    assert_eq!(start.elapsed().as_secs(), 9);
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
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..5 {
        stop().await.unwrap();
    }
    assert!(stop().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_dies_with_its_client() {
    let world = world();
    let poll = tokio::time::timeout(Duration::from_secs(1), world.receive(20)).await;
    assert!(poll.is_err());
    world.sandbox.send("hello");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.sandbox.messages()[0].visibility, Visibility::Visible);
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
}
