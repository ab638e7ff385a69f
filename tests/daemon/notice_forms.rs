//! The forms of notices: message attributes, and a form each for people, chats and programs.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Notice, Rule};
use serde_json::Value;

use crate::world::{TAG, World, pass};

const MINUTE: Duration = Duration::from_mins(1);

fn with_json(world: World) -> World {
    world.set("ENFORCER_NOTICE__FORMAT", "json")
}

/// Lets a violator of alice be stopped and announced.
async fn announced(world: &mut World) -> (String, Notice) {
    let id = world.aws.launch(Launch::default().tagged("Owner", "alice"));
    world.start();
    world.all_settled().await;
    let notice = world.aws.notices().pop().unwrap();
    (id, notice)
}

/// The form for chats.
fn chat(notice: &Notice) -> Value {
    serde_json::from_str(notice.text_for("https")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn by_default_a_notice_is_its_text_alone() {
    let (id, notice) = announced(&mut World::new()).await;
    assert_eq!(notice.message, format!("EC2 {id} Stopped"));
    assert!(notice.attributes.is_empty() && !notice.is_structured());
}

#[tokio::test(start_paused = true)]
async fn attributes_say_what_subscribers_filter_by() {
    let mut world = World::new().set("ENFORCER_NOTICE__ATTRIBUTES", "true");
    let (id, notice) = announced(&mut world).await;
    for (name, value) in [
        ("kind", "outcome"),
        ("outcome", "stopped"),
        ("account", "123456789012"),
        ("region", &*world.resources.region),
        ("instance", &*id),
        ("policy", r#"["builtin"]"#),
        ("mode", "enforce"),
        ("owner", "alice"),
    ] {
        assert_eq!(notice.attribute(name), Some(value), "{name}");
    }
    assert_eq!(notice.attributes.len(), 8);
    assert_eq!(notice.attributes["policy"].data_type, "String.Array");
    assert_eq!(notice.message, format!("EC2 {id} Stopped"));
}

#[tokio::test(start_paused = true)]
async fn each_protocol_gets_its_form() {
    let mut world = with_json(World::new());
    let (id, notice) = announced(&mut world).await;
    let text = format!("EC2 {id} Stopped");
    assert_eq!([notice.text_for("email"), notice.text_for("sms")], [&text, &text]);
    let chat = chat(&notice);
    assert_eq!(chat["content"]["title"], text);
    let metadata = &chat["metadata"];
    assert_eq!(metadata["additionalContext"]["instance"], id);
    let thread = metadata["threadId"].as_str().unwrap();
    let instance = format!("123456789012/{}/{id}/", world.resources.region);
    let launched = thread.strip_prefix(&instance).unwrap();
    assert!(launched.ends_with('Z') && launched.len() == 20, "{thread}");
    let arn = format!("arn:aws:ec2:{}:123456789012:instance/{id}", world.resources.region);
    assert_eq!(metadata["relatedResources"][0], arn);
}

#[tokio::test(start_paused = true)]
async fn programs_get_the_line_of_the_audit_trail() {
    let mut world = with_json(World::new());
    let (id, notice) = announced(&mut world).await;
    assert_eq!(notice.text_for("sqs"), notice.text_for("lambda"));
    let line: Value = serde_json::from_str(notice.text_for("sqs")).unwrap();
    assert_eq!((&line["audit"], &line["kind"]), (&1.into(), &"outcome".into()));
    assert_eq!(line["instance"], id);
    assert_eq!(line["outcome"], "stopped");
    assert_eq!(line["tags"]["Owner"], "alice");
    assert!(line["looks"]["instance"].is_string() && line["notice"].is_null(), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_gets_the_text() {
    let world = with_json(World::new());
    let topic = world.aws.topic("notices.fifo");
    let mut world = world.set("SNS_TOPIC_ARN", &topic);
    let (id, notice) = announced(&mut world).await;
    assert_eq!(notice.message, format!("EC2 {id} Stopped"));
    assert!(!notice.is_structured());
}

#[tokio::test(start_paused = true)]
async fn a_form_that_sns_refuses_is_published_as_the_text_alone() {
    let mut world = with_json(World::new()).set("ENFORCER_NOTICE__ATTRIBUTES", "true");
    let invalid = Fault::Entries { count: 1, code: "InvalidParameter".into(), sender_fault: true };
    world.aws.inject(Rule::on("PublishBatch").fault(invalid).times(1));
    let (id, notice) = announced(&mut world).await;
    assert_eq!(notice.message, format!("EC2 {id} Stopped"));
    assert!(notice.attributes.is_empty() && !notice.is_structured() && notice.subject.is_none());
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_owner_answers_a_planned_notice_from_the_chat() {
    let mut world = with_json(World::new())
        .set("ENFORCER_POLICY__GRACE", "1h")
        .set("ENFORCER_POLICY__SINCE", "2020-01-01")
        .set("ENFORCER_POLICY__TAG_CHANGES", "true")
        .set("ENFORCER_POLICY__EXCEPTION_EXPIRES", "true")
        .set("ENFORCER_SIZES__POLLERS", "1");
    world.aws.send_tag_events();
    world.start();
    let id = world.violator();
    pass(3 * MINUTE).await;
    let planned = world.aws.notices().pop().unwrap();
    let (chat, context) = (chat(&planned), chat(&planned)["metadata"]["additionalContext"].clone());
    assert_eq!(chat["metadata"]["eventType"], "planned");
    assert_eq!(context["instance"], id);
    let until = format!("until={}", context["until"].as_str().unwrap());
    world.aws.tag(&id, TAG, &until);
    pass(Duration::from_secs(2)).await;
    let called_off = world.aws.notices().pop().unwrap();
    assert!(called_off.text_for("email").starts_with(&format!("EC2 {id} will NOT be stopped")));
    let thread = |notice: &Notice| self::chat(notice)["metadata"]["threadId"].clone();
    assert_eq!(thread(&planned), thread(&called_off));
    pass(2 * 60 * MINUTE).await;
    assert!(world.is_running(&id) && world.calls("StopInstances") == 0);
}
