//! What SNS takes of a message: attributes, texts by protocol, sizes; and who gets it.

use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::operation::publish::builders::PublishFluentBuilder;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use serde_json::{Value, json};

use super::{World, world};

/// The limit on a message, and on a batch, in bytes.
const LIMIT: usize = 262_144;

fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build().unwrap()
}

fn entry(id: &str, message: &str, owner: &str) -> PublishBatchRequestEntry {
    let entry = PublishBatchRequestEntry::builder().id(id).message(message);
    entry.message_attributes("owner", attribute("String", owner)).build().unwrap()
}

impl World {
    fn publish(&self, message: impl Into<String>) -> PublishFluentBuilder {
        self.sns.publish().topic_arn(&self.made.topic_arn).message(message)
    }

    /// Publishes entries, and returns the ids of those that failed, or the error code.
    async fn publish_batch(
        &self,
        entries: Vec<PublishBatchRequestEntry>,
    ) -> Result<Vec<String>, String> {
        let call = self.sns.publish_batch().topic_arn(&self.made.topic_arn);
        match call.set_publish_batch_request_entries(Some(entries)).send().await {
            Ok(answer) => Ok(answer.failed().iter().map(|one| one.id().to_owned()).collect()),
            Err(error) => Err(error.code().unwrap_or("no code").to_owned()),
        }
    }

    /// Subscribes the queue, with attributes of the subscription, and returns the error, if any.
    async fn subscribe(&self, attributes: &[(&str, &str)]) -> Result<String, String> {
        let call = self.sns.subscribe().topic_arn(&self.made.topic_arn).protocol("sqs");
        let call =
            attributes.iter().fold(call, |call, (name, value)| call.attributes(*name, *value));
        match call.endpoint(&self.made.queue_arn).send().await {
            Ok(answer) => Ok(answer.subscription_arn.unwrap()),
            Err(error) => Err(error.message().unwrap().to_owned()),
        }
    }

    /// The bodies of the messages in the queue.
    fn bodies(&self) -> Vec<Value> {
        let messages = self.sandbox.messages().into_iter();
        messages.map(|one| serde_json::from_str(&one.body).unwrap()).collect()
    }
}

/// The code of a refusal.
async fn refusal(call: PublishFluentBuilder) -> String {
    let error = call.send().await.unwrap_err();
    error.code().unwrap_or("no code").to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_notice_has_its_attributes() {
    let world = world();
    let call = world.publish("stopped").message_attributes("kind", attribute("String", "outcome"));
    let policies = attribute("String.Array", r#"["owner","builtin"]"#);
    let call = call.message_attributes("policy", policies);
    call.message_attributes("count", attribute("Number", "1.5")).send().await.unwrap();
    let notice = world.sandbox.notices().remove(0);
    assert_eq!(notice.attribute("kind"), Some("outcome"));
    assert_eq!(notice.attributes["policy"].data_type, "String.Array");
    assert_eq!((notice.attributes.len(), notice.is_structured()), (3, false));
}

#[tokio::test(start_paused = true)]
async fn attributes_that_sns_does_not_accept_are_refused() {
    let world = world();
    let too_long = "x".repeat(257);
    for (name, data_type, value) in [
        ("owner", "String", ""),
        ("owner", "Text", "web"),
        ("owner", "String.", "web"),
        ("owner", "Number", "many"),
        ("owner", "String.Array", "web"),
        ("owner", "String.Array", "[[1]]"),
        ("owner", "Binary", "web"),
        ("", "String", "web"),
        ("o w", "String", "web"),
        (".owner", "String", "web"),
        (&too_long, "String", "web"),
    ] {
        let call = world.publish("hi").message_attributes(name, attribute(data_type, value));
        assert_eq!(refusal(call).await, "ParameterValueInvalid", "{name} {data_type} {value}");
    }
    assert!(world.sandbox.notices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_wrong_attribute_refuses_its_whole_batch() {
    let world = world();
    let entries = vec![entry("a", "one", "web"), entry("b", "two", "")];
    let refused = Err("ParameterValueInvalid".to_owned());
    assert_eq!(world.publish_batch(entries).await, refused);
    assert!(world.sandbox.notices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn attributes_count_into_the_limit_of_a_message_and_of_a_batch() {
    let world = world();
    let named = |length| {
        let call = world.publish("x".repeat(length));
        call.message_attributes("owner", attribute("String", "web"))
    };
    let attribute = "owner".len() + "String".len() + "web".len();
    named(LIMIT - attribute).send().await.unwrap();
    assert_eq!(refusal(named(LIMIT - attribute + 1)).await, "InvalidParameter");
    let text = "x".repeat(LIMIT / 2 - attribute);
    let batch =
        |more: &str| vec![entry("a", &text, "web"), entry("b", &format!("{text}{more}"), "web")];
    assert_eq!(world.publish_batch(batch("")).await, Ok(Vec::new()));
    assert_eq!(world.publish_batch(batch("x")).await, Err("BatchRequestTooLong".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn each_protocol_gets_its_own_text_or_the_default() {
    let world = world();
    let message = json!({ "default": "plain", "https": "{}", "sqs": "{\"audit\":1}", "sms": 7 });
    world.subscribe(&[]).await.unwrap();
    let call = world.publish(message.to_string()).subject("news").message_structure("json");
    call.send().await.unwrap();
    let notice = world.sandbox.notices().remove(0);
    let texts = ["email", "https", "sqs", "lambda", "sms"].map(|one| notice.text_for(one));
    assert_eq!(texts, ["plain", "{}", "{\"audit\":1}", "plain", "plain"]);
    assert_eq!((notice.message.as_str(), notice.is_structured()), ("plain", true));
    assert_eq!(world.bodies()[0]["Message"], "{\"audit\":1}");
}

#[tokio::test(start_paused = true)]
async fn a_structured_message_must_be_an_object_with_a_default() {
    let world = world();
    for message in ["{}", r#"{"email":"x"}"#, r#"{"default":1}"#, "[]", "plain", "{"] {
        let call = world.publish(message).message_structure("json");
        assert_eq!(refusal(call).await, "InvalidParameter", "{message}");
    }
    let entry = PublishBatchRequestEntry::builder().id("a").message("{}").message_structure("json");
    let refused = Err("InvalidParameter".to_owned());
    assert_eq!(world.publish_batch(vec![entry.build().unwrap()]).await, refused);
    assert_eq!(refusal(world.publish("x").message_structure("xml")).await, "InvalidParameter");
}

#[tokio::test(start_paused = true)]
async fn a_queue_gets_the_attributes_in_the_envelope_or_raw() {
    let world = world();
    let arn = world.subscribe(&[]).await.unwrap();
    let call = world.publish("stopped").message_attributes("owner", attribute("String", "web"));
    call.clone().send().await.unwrap();
    let expected = json!({ "owner": { "Type": "String", "Value": "web" } });
    assert_eq!(world.bodies()[0]["MessageAttributes"], expected);
    world.sns.unsubscribe().subscription_arn(arn).send().await.unwrap();
    world.subscribe(&[("RawMessageDelivery", "true")]).await.unwrap();
    call.send().await.unwrap();
    let receive = world.sqs.receive_message().queue_url(&world.made.queue_url);
    let receive = receive.max_number_of_messages(2).message_attribute_names("All");
    let raw = receive.send().await.unwrap().messages.unwrap().remove(1);
    assert_eq!(raw.body(), Some("stopped"));
    assert_eq!(raw.message_attributes().unwrap()["owner"].string_value(), Some("web"));
}

#[tokio::test(start_paused = true)]
async fn a_filter_policy_lets_some_messages_pass() {
    let world = world();
    let policy = r#"{"owner":["web",{"prefix":"db-"}],"policy":["builtin"]}"#;
    world.subscribe(&[("FilterPolicy", policy)]).await.unwrap();
    for (owner, policies, passes) in [
        ("web", r#"["owner","builtin"]"#, true),
        ("db-1", r#"["builtin"]"#, true),
        ("web", r#"["owner"]"#, false),
        ("app", r#"["builtin"]"#, false),
    ] {
        let before = world.bodies().len();
        let call = world.publish("hi").message_attributes("owner", attribute("String", owner));
        let policies = attribute("String.Array", policies);
        call.message_attributes("policy", policies).send().await.unwrap();
        assert_eq!(world.bodies().len() - before, usize::from(passes), "{owner}");
    }
    world.publish("no attributes").send().await.unwrap();
    let topic = &world.made.topic_arn;
    assert_eq!((world.bodies().len(), world.sandbox.subscriptions(topic)[0].delivered), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_filter_policy_can_be_about_the_text_and_be_replaced() {
    let world = world();
    let policy = r#"{"detail":{"kind":["stop"]}}"#;
    let scope = ("FilterPolicyScope", "MessageBody");
    let arn = world.subscribe(&[("FilterPolicy", policy), scope]).await.unwrap();
    for text in [r#"{"detail":{"kind":"stop"}}"#, r#"{"detail":{"kind":"start"}}"#, "plain"] {
        world.publish(text).send().await.unwrap();
    }
    assert_eq!(world.bodies().len(), 1);
    let set = world.sns.set_subscription_attributes().subscription_arn(&arn);
    set.attribute_name("FilterPolicy").attribute_value("{}").send().await.unwrap();
    world.publish("plain").send().await.unwrap();
    assert_eq!(world.bodies().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_filter_policy_that_sns_does_not_accept_is_refused() {
    let world = world();
    for (policy, said) in [
        (r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#, "more than 5 keys"),
        (r#"{"a":"web"}"#, "array of values"),
        (r#"{"a":{"b":["c"]}}"#, "array of values"),
        ("{", "parse"),
    ] {
        let error = world.subscribe(&[("FilterPolicy", policy)]).await.unwrap_err();
        assert!(error.contains(said), "{policy}: {error}");
    }
    assert!(world.sandbox.subscriptions(&world.made.topic_arn).is_empty());
}
