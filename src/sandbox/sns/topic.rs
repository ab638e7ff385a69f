//! SNS topics.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::subscription::Subscription;
use crate::sandbox::accounts::admission::denied;
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

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
    Ok(json!({ "Attributes": entries(attributes) }))
}

/// Writes attributes as a list of entries, which is a map in the query protocol.
pub(super) fn entries(attributes: impl IntoIterator<Item = (&'static str, String)>) -> Vec<Value> {
    let attributes = attributes.into_iter();
    attributes.map(|(key, value)| json!({ "key": key, "value": value })).collect()
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
        return Err(denied(world, request, arn));
    }
    if world.topics.contains_key(arn) { Ok(arn.to_owned()) } else { Err(no_topic()) }
}

pub(super) fn topic<'w>(world: &'w mut World, arn: &str) -> Result<&'w mut Topic, Failure> {
    world.topics.get_mut(arn).ok_or_else(no_topic)
}

fn no_topic() -> Failure {
    not_found("Topic does not exist")
}

pub(super) fn not_found(message: &str) -> Failure {
    Failure::new(404, "NotFound", message)
}

pub(super) fn invalid(what: &str) -> Failure {
    Failure::refused("InvalidParameter", format!("Invalid parameter: {what}"))
}

/// Reads the attributes of a call.
pub(super) fn pairs(request: &Request) -> BTreeMap<String, String> {
    let entries = request.parameters().list("Attributes");
    let pair = entries.filter_map(|entry| Some((entry.optional("key")?, entry.optional("value")?)));
    pair.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
