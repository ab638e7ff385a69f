//! Queues: visibility, receipts, long polls, redrive.

use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use tokio::time::{Instant, advance, sleep, timeout};

use super::{world, world_with};
use crate::sandbox::{Options, Visibility};

#[tokio::test(start_paused = true)]
async fn a_long_poll_wakes_when_a_message_is_sent() {
    let world = world();
    let start = Instant::now();
    let send = async {
        sleep(Duration::from_secs(3)).await;
        world.sandbox.send("hello")
    };
    let (messages, id) = tokio::join!(world.receive(20), send);
    assert_eq!(messages[0].message_id(), Some(id.as_str()));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_its_client_where_polls_are_not_abandoned() {
    let world = world_with(Options { abandoned_polls: false, ..Options::default() });
    let poll = timeout(Duration::from_secs(1), world.receive(20)).await;
    assert!(poll.is_err());
    world.sandbox.send("hello");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.sandbox.messages()[0].visibility, Visibility::Visible);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_visible_again_when_its_visibility_timeout_is_over() {
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
    advance(Duration::from_secs(30)).await;
    world.receive(0).await;

    let entry = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    };
    let delete = world.sqs.delete_message_batch().queue_url(&world.made.queue_url);
    let delete = delete.entries(entry("stale", &stale)).entries(entry("bad", "garbage"));
    let answer = delete.send().await.unwrap();
    assert_eq!(answer.successful()[0].id(), "stale");
    assert_eq!(world.sandbox.calls("DeleteMessageBatch")[0].kept.len(), 1);
    assert_eq!(answer.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(world.sandbox.messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
    let world = world();
    let id = world.sandbox.send("poison");
    for _ in 0..21 {
        world.receive(0).await;
        advance(Duration::from_secs(30)).await;
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
async fn an_abandoned_poll_receives_messages_all_the_same() {
    let world = world();
    assert!(timeout(Duration::from_secs(1), world.receive(20)).await.is_err());
    world.sandbox.send("hello");
    sleep(Duration::from_secs(1)).await;
    assert!(world.sandbox.messages()[0].is_held());
}

#[tokio::test(start_paused = true)]
async fn a_message_is_held_for_twelve_hours_at_most() {
    let world = world();
    world.sandbox.send("hello");
    let handle = world.receive(0).await[0].receipt_handle().unwrap().to_owned();
    advance(Duration::from_secs(10)).await;
    let hold = |secs| {
        let change = world.sqs.change_message_visibility().queue_url(&world.made.queue_url);
        change.receipt_handle(&handle).visibility_timeout(secs).send()
    };
    hold(43_190).await.unwrap();
    assert_eq!(hold(43_191).await.unwrap_err().code(), Some("InvalidParameterValue"));
    hold(0).await.unwrap();
    let code = "AWS.SimpleQueueService.MessageNotInflight";
    assert_eq!(hold(10).await.unwrap_err().code(), Some(code));
}

#[tokio::test(start_paused = true)]
async fn the_attributes_count_what_is_visible_held_and_delayed() {
    let world = world();
    for body in ["one", "two", "three"] {
        world.sandbox.send(body);
    }
    let url = &world.made.queue_url;
    world.sqs.receive_message().queue_url(url).send().await.unwrap();
    let late = world.sqs.send_message().queue_url(url).message_body("late").delay_seconds(60);
    late.send().await.unwrap();
    let read = world.sqs.get_queue_attributes().queue_url(url).attribute_names("All".into());
    let counts = read.send().await.unwrap().attributes.unwrap();
    for (name, count) in [("", "2"), ("NotVisible", "1"), ("Delayed", "1")] {
        let name = format!("ApproximateNumberOfMessages{name}");
        assert_eq!(counts[&name.as_str().into()], count, "{name}");
    }
}
