//! Tag events: which changes send one, what is in it, and when.

use std::time::Duration;

use aws_sdk_ec2::types::Tag;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{World, world, world_with};
use crate::sandbox::{Launch, Options};

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

impl World {
    /// The bodies of the tag events in the queue.
    fn tag_events(&self) -> Vec<Value> {
        let messages = self.sandbox.messages().into_iter();
        let events = messages.map(|message| serde_json::from_str(&message.body).unwrap());
        events.filter(|event: &Value| event["source"] == "aws.tag").collect()
    }

    /// The keys of each tag event in the queue.
    fn changes(&self) -> Vec<Value> {
        let events = self.tag_events().into_iter();
        events.map(|event| event["detail"]["changed-tag-keys"].clone()).collect()
    }

    fn quiet(&self) -> String {
        self.sandbox.launch(Launch::default().quiet())
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_event_has_the_shape_of_aws() {
    let world = world();
    world.sandbox.send_tag_events();
    let id = world.sandbox.launch(Launch::default().quiet().region("eu-west-1"));
    world.sandbox.tag(&id, "Name", "web");
    world.sandbox.tag(&id, "Stage", "test");
    let mut event = world.tag_events().remove(1);
    for varying in ["id", "time"] {
        assert!(event[varying].is_string());
        event.as_object_mut().unwrap().remove(varying);
    }
    let expected = json!({
        "version": "0",
        "detail-type": "Tag Change on Resource",
        "source": "aws.tag",
        "account": "123456789012",
        "region": "eu-west-1",
        "resources": [format!("arn:aws:ec2:eu-west-1:123456789012:instance/{id}")],
        "detail": {
            "changed-tag-keys": ["Stage"],
            "service": "ec2",
            "resource-type": "instance",
            "version": 3.0,
            "tags": { "Name": "web", "Stage": "test" },
        },
    });
    assert_eq!(event, expected);
}

#[tokio::test(start_paused = true)]
async fn one_call_sends_one_event_for_each_instance_that_it_changes() {
    let world = world();
    world.sandbox.send_tag_events();
    let ids = [world.quiet(), world.quiet()];
    let create = world.ec2.create_tags().set_resources(Some(ids.to_vec()));
    create.clone().tags(tag("a", "1")).tags(tag("b", "2")).send().await.unwrap();
    assert_eq!(world.changes(), [json!(["a", "b"]), json!(["a", "b"])]);
    create.tags(tag("a", "1")).tags(tag("b", "3")).send().await.unwrap();
    assert_eq!(world.changes()[2..], [json!(["b"]), json!(["b"])]);
    let delete = world.ec2.delete_tags().resources(&ids[0]).tags(Tag::builder().key("a").build());
    delete.send().await.unwrap();
    assert_eq!(world.changes()[4..], [json!(["a"])]);
    assert_eq!(world.tag_events()[4]["detail"]["tags"], json!({ "b": "3" }));
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_sends_no_event() {
    let world = world();
    world.sandbox.send_tag_events();
    let id = world.sandbox.launch(Launch::default().quiet());
    world.sandbox.untag(&id, "Name");
    let tag = Tag::builder().key("Name").value("web").build();
    world.ec2.delete_tags().resources(&id).tags(tag).send().await.unwrap();
    assert_eq!(world.changes(), [json!(null); 0]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_launched_with_tags_sends_one_too() {
    let world = world();
    world.sandbox.send_tag_events();
    world.sandbox.launch(Launch::default().tagged("Name", "web").tagged("Stage", "test"));
    world.sandbox.launch(Launch::default());
    assert_eq!(world.changes(), [json!(["Name", "Stage"])]);
}

#[tokio::test(start_paused = true)]
async fn without_a_rule_for_them_there_are_none_and_all_ids_are_as_before() {
    let sent = |tagged: bool| {
        let world = world();
        let id = world.quiet();
        if tagged {
            world.sandbox.tag(&id, "Name", "web");
        }
        (world.changes(), world.sandbox.launch(Launch::default()))
    };
    assert_eq!(sent(true), sent(false));
}

#[tokio::test(start_paused = true)]
async fn a_rule_can_ask_for_some_keys_alone() {
    let world = world();
    world.sandbox.send_tag_events_of(&["Owner", "SPECIAL_EXCEPTION"]);
    let id = world.quiet();
    world.sandbox.tag(&id, "Name", "web");
    world.sandbox.tag(&id, "SPECIAL_EXCEPTION", "");
    assert_eq!(world.changes(), [json!(["SPECIAL_EXCEPTION"])]);
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_late_and_has_the_tags_of_its_change() {
    let delay = Duration::from_secs(7);
    let world = world_with(Options { tag_event_delay: delay, ..Options::default() });
    world.sandbox.send_tag_events();
    let id = world.quiet();
    let began = Instant::now();
    world.sandbox.tag(&id, "Name", "web");
    world.sandbox.untag(&id, "Name");
    let messages = world.receive(20).await;
    assert_eq!((messages.len(), began.elapsed()), (2, delay));
    let tags = world.tag_events().into_iter().map(|event| event["detail"]["tags"].clone());
    assert_eq!(tags.collect::<Vec<_>>(), [json!({ "Name": "web" }), json!({})]);
}

#[tokio::test(start_paused = true)]
async fn the_policy_of_the_queue_lets_both_rules_send() {
    let world = world();
    world.sandbox.send_tag_events();
    let read = world.sqs.get_queue_attributes().queue_url(&world.made.queue_url);
    let answer = read.attribute_names("Policy".into()).send().await.unwrap();
    let policy = &answer.attributes.unwrap()[&"Policy".into()];
    for rule in [&world.made.rule_arn, &world.made.tag_rule_arn] {
        assert!(policy.contains(rule), "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_can_write_a_tag_event_of_its_own() {
    let world = world();
    let id = world.sandbox.launch(Launch::default().quiet().tagged("Name", "web"));
    let event: Value = serde_json::from_str(&world.sandbox.tag_event(&id, &["Old"])).unwrap();
    assert_eq!(event["detail"]["changed-tag-keys"], json!(["Old"]));
    assert_eq!(event["detail"]["tags"], json!({ "Name": "web" }));
    assert!(world.sandbox.messages().is_empty());
}
