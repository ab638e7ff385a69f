//! The tags of a queue.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use tokio::time::advance;

use super::{World, world, world_with};
use crate::sandbox::{Fault, Options, Rule};

impl World {
    /// Tags the queue, and returns the error code if it is refused.
    async fn tag_queue(&self, tags: &[(&str, &str)]) -> Result<(), String> {
        let tags: HashMap<String, String> =
            tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let call = self.sqs.tag_queue().queue_url(&self.made.queue_url).set_tags(Some(tags));
        let answer = call.send().await;
        answer.map(drop).map_err(|error| error.code().unwrap_or("no code").to_owned())
    }

    async fn listed(&self) -> Option<HashMap<String, String>> {
        let call = self.sqs.list_queue_tags().queue_url(&self.made.queue_url);
        call.send().await.unwrap().tags
    }
}

#[tokio::test(start_paused = true)]
async fn tags_are_added_overwritten_and_removed() {
    let world = world();
    assert_eq!(world.listed().await, None);
    world.tag_queue(&[("hold/all", "x"), ("Team", "")]).await.unwrap();
    world.tag_queue(&[("hold/all", "2026-11-26T03:08:39Z")]).await.unwrap();
    world.sandbox.tag_queue("Stage", "test");
    assert_eq!(world.listed().await.unwrap()["hold/all"], "2026-11-26T03:08:39Z");
    let untag = world.sqs.untag_queue().queue_url(&world.made.queue_url).tag_keys("hold/all");
    untag.tag_keys("unknown").send().await.unwrap();
    let kept: Vec<_> = world.sandbox.queue_tags().into_keys().collect();
    assert_eq!(kept, ["Stage", "Team"]);
    world.sandbox.untag_queue("Stage");
    assert_eq!(world.listed().await.unwrap().len(), 1);
    assert_eq!(world.sandbox.calls("UntagQueue")[0].subjects, ["hold/all", "unknown"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_has_fifty_tags_at_most() {
    let world = world();
    let keys: Vec<String> = (0..50).map(|number| format!("key-{number}")).collect();
    let tags: Vec<_> = keys.iter().map(|key| (key.as_str(), "")).collect();
    world.tag_queue(&tags).await.unwrap();
    world.tag_queue(&[("key-7", "another value")]).await.unwrap();
    let refused = Err("InvalidParameterValue".to_owned());
    assert_eq!(world.tag_queue(&[("key-50", "")]).await, refused);
    assert_eq!(world.sandbox.queue_tags().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_sqs_does_not_accept_is_refused_with_its_call() {
    let world = world();
    let [longest, too_long] = [128, 129].map(|length| "ä".repeat(length));
    let [value, long_value] = [256, 257].map(|length| "x".repeat(length));
    world.tag_queue(&[(&longest, &value), ("a/b:c=d+e-f@g_h.i j", "")]).await.unwrap();
    for bad in [
        (too_long.as_str(), ""),
        ("", ""),
        ("aws:key", ""),
        ("key", long_value.as_str()),
        ("key*", ""),
        ("key", "a,b"),
    ] {
        let refused = world.tag_queue(&[("good", ""), bad]).await;
        assert_eq!(refused, Err("InvalidParameterValue".to_owned()), "{bad:?}");
    }
    assert_eq!(world.tag_queue(&[]).await, Err("MissingParameter".to_owned()));
    assert_eq!(world.sandbox.queue_tags().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn sqs_takes_five_of_these_calls_a_second() {
    let world = world_with(Options { token_buckets: true, ..Options::default() });
    for _ in 0..4 {
        world.listed().await;
    }
    world.tag_queue(&[("key", "")]).await.unwrap();
    assert_eq!(world.tag_queue(&[("key", "")]).await, Err("RequestThrottled".to_owned()));
    advance(Duration::from_millis(200)).await;
    world.tag_queue(&[("key", "")]).await.unwrap();
    assert_eq!(world.tag_queue(&[("key", "")]).await, Err("RequestThrottled".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_permission_to_tag_can_be_missing() {
    let world = world();
    world.sandbox.inject(Rule::on("TagQueue").fault(Fault::error(403, "AccessDenied")));
    assert_eq!(world.tag_queue(&[("key", "")]).await, Err("AccessDenied".to_owned()));
    assert!(world.sandbox.queue_tags().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_queue_can_be_created_with_tags() {
    let world = world();
    let create = |key: &str| world.sqs.create_queue().queue_name("jobs").tags(key, "web");
    let error = create("aws:x").send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    let url = create("Owner").send().await.unwrap().queue_url.unwrap();
    let tags = world.sqs.list_queue_tags().queue_url(url).send().await.unwrap().tags.unwrap();
    assert_eq!(tags["Owner"], "web");
}
