//! Topics: which messages are accepted, suppressed and delivered.

use std::time::Duration;

use aws_sdk_sns::error::ProvideErrorMetadata;
use serde_json::Value;
use tokio::time::advance;

use super::world;

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_suppresses_repetitions_for_five_minutes() {
    let world = world();
    let topic = world.sandbox.topic("violations.fifo");
    let publish = || {
        let publish = world.sns.publish().topic_arn(&topic).message("stopped");
        publish.message_group_id("i-1").message_deduplication_id("d").send()
    };
    publish().await.unwrap();
    publish().await.unwrap();
    assert_eq!(world.sandbox.notices().len(), 1);
    advance(Duration::from_mins(5)).await;
    publish().await.unwrap();
    assert_eq!(world.sandbox.notices().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_requires_a_message_group() {
    let world = world();
    let topic = world.sandbox.topic("violations.fifo");
    let error = world.sns.publish().topic_arn(topic).message("stopped").send().await;
    assert_eq!(error.unwrap_err().code(), Some("InvalidParameter"));
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_wrong_topic_has_an_error_of_its_own() {
    let world = world();
    let arn = &world.made.topic_arn;
    for (arn, code) in [
        (format!("{arn}-missing"), "NotFound"),
        (arn.replace("us-east-1", "eu-west-1"), "InvalidParameter"),
        (arn.replace("123456789012", "210987654321"), "AuthorizationError"),
        ("not-an-arn".to_owned(), "InvalidParameter"),
    ] {
        let error = world.sns.publish().topic_arn(&arn).message("hi").send().await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{arn}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscribed_queue_gets_the_notice_in_an_envelope() {
    let world = world();
    let subscribe = world.sns.subscribe().topic_arn(&world.made.topic_arn).protocol("sqs");
    subscribe.endpoint(&world.made.queue_arn).send().await.unwrap();
    let publish = world.sns.publish().topic_arn(&world.made.topic_arn);
    publish.subject("news").message("stopped").send().await.unwrap();
    let body: Value = serde_json::from_str(&world.sandbox.messages()[0].body).unwrap();
    assert_eq!((&body["Subject"], &body["Message"]), (&"news".into(), &"stopped".into()));
}
