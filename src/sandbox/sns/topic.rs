//! SNS topics and their subscriptions.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::subscription::Subscription;
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// The protocols that the sandbox knows. It delivers to queues alone, and counts e-mails.
const PROTOCOLS: [&str; 5] = ["sqs", "email", "email-json", "https", "lambda"];

/// A topic. It is a FIFO topic if its name ends in `.fifo`.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Topic {
    /// `ContentBasedDeduplication`: whether a message without a deduplication id is compared by its
    /// text.
    pub(super) deduplicates_by_content: bool,
    pub(in crate::sandbox) subscriptions: Vec<Subscription>,
    /// When each deduplication id, or the text in its place, was accepted.
    pub(super) accepted: BTreeMap<String, Instant>,
}

/// Whether a name or an ARN is that of a FIFO topic.
pub(super) fn is_fifo(name: &str) -> bool {
    name.strip_suffix(".fifo").is_some()
}

/// Makes a topic, unless it exists, and returns its ARN.
pub(in crate::sandbox) fn make(world: &mut World, region: &str, name: &str) -> String {
    let arn = world.arn("sns", region, name);
    world.topics.entry(arn.clone()).or_default();
    arn
}

pub(super) fn create(world: &mut World, request: &Request) -> Answer {
    let name = request.parameters().text("Name")?;
    let attributes = pairs(request);
    let fifo = attributes.get("FifoTopic").is_some_and(|value| value == "true");
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if stem.is_empty() || name.len() > 256 || !stem.chars().all(known) || fifo != is_fifo(name) {
        return Err(invalid("Topic Name"));
    }
    let arn = make(world, &request.region, name);
    topic(world, &arn)?.deduplicates_by_content =
        attributes.get("ContentBasedDeduplication").is_some_and(|value| value == "true");
    Ok(json!({ "TopicArn": arn }))
}

pub(super) fn delete(world: &mut World, request: &Request) -> Answer {
    world.topics.remove(request.parameters().text("TopicArn")?);
    Ok(json!({}))
}

pub(super) fn list(world: &World) -> Value {
    let topics: Vec<Value> = world.topics.keys().map(|arn| json!({ "TopicArn": arn })).collect();
    json!({ "Topics": topics })
}

pub(super) fn attributes(world: &mut World, request: &Request) -> Answer {
    let arn = known(world, request)?;
    let account = world.options.account.clone();
    let topic = topic(world, &arn)?;
    let count =
        |confirmed| topic.subscriptions.iter().filter(|one| one.confirmed == confirmed).count();
    let attributes = [
        ("FifoTopic", is_fifo(&arn).to_string()),
        ("ContentBasedDeduplication", topic.deduplicates_by_content.to_string()),
        ("SubscriptionsConfirmed", count(true).to_string()),
        ("SubscriptionsPending", count(false).to_string()),
        ("Owner", account),
        ("TopicArn", arn),
    ];
    let entries: Vec<Value> =
        attributes.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    Ok(json!({ "Attributes": entries }))
}

/// Subscribes an endpoint. A queue and a function need no confirmation, and here HTTPS does not
/// either; an e-mail address does.
pub(super) fn subscribe(world: &mut World, request: &Request) -> Answer {
    let arn = known(world, request)?;
    let parameters = request.parameters();
    let (protocol, endpoint) = (parameters.text("Protocol")?, parameters.text("Endpoint")?);
    if !PROTOCOLS.contains(&protocol) {
        return Err(refused("Invalid parameter: Does not support this protocol string"));
    }
    let raw = pairs(request).get("RawMessageDelivery").is_some_and(|value| value == "true");
    let subscription = Subscription {
        arn: format!("{arn}:{}", world.ids.uuid()),
        protocol: protocol.to_owned(),
        endpoint: endpoint.to_owned(),
        confirmed: !protocol.starts_with("email"),
        raw,
        mails: VecDeque::new(),
        suspended: None,
    };
    let subscriptions = &mut topic(world, &arn)?.subscriptions;
    let is_same = |one: &&Subscription| one.protocol == protocol && one.endpoint == endpoint;
    if let Some(same) = subscriptions.iter().find(is_same) {
        return Ok(subscribed(same));
    }
    let answer = subscribed(&subscription);
    subscriptions.push(subscription);
    Ok(answer)
}

fn subscribed(subscription: &Subscription) -> Value {
    let arn = if subscription.confirmed { &subscription.arn } else { "pending confirmation" };
    json!({ "SubscriptionArn": arn })
}

/// Reads the topic ARN of a call. SNS has different errors for an ARN that is malformed or in
/// another region, for another account, and for a topic that does not exist.
pub(super) fn known(world: &World, request: &Request) -> Result<String, Failure> {
    let arn = request.parameters().text("TopicArn").map_err(|_| invalid("TopicArn"))?;
    let parts: Vec<&str> = arn.split(':').collect();
    let [_, _, "sns", region, account, _] = parts.as_slice() else {
        return Err(invalid("TopicArn Reason: An ARN must have at least 6 elements"));
    };
    if *region != request.region {
        return Err(invalid("TopicArn"));
    }
    if *account != world.options.account {
        let message = format!(
            "User: {} is not authorized to perform: SNS:{} on resource: {arn} because no \
             resource-based policy allows the SNS:{} action",
            world.caller(),
            request.operation,
            request.operation
        );
        return Err(Failure::new(403, "AuthorizationError", message));
    }
    if world.topics.contains_key(arn) { Ok(arn.to_owned()) } else { Err(not_found()) }
}

pub(super) fn topic<'w>(world: &'w mut World, arn: &str) -> Result<&'w mut Topic, Failure> {
    world.topics.get_mut(arn).ok_or_else(not_found)
}

fn not_found() -> Failure {
    Failure::new(404, "NotFound", "Topic does not exist")
}

pub(super) fn invalid(what: &str) -> Failure {
    refused(&format!("Invalid parameter: {what}"))
}

fn refused(message: &str) -> Failure {
    Failure::refused("InvalidParameter", message)
}

fn pairs(request: &Request) -> BTreeMap<String, String> {
    let entries = request.parameters().list("Attributes");
    let pair = entries.filter_map(|entry| Some((entry.optional("key")?, entry.optional("value")?)));
    pair.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
