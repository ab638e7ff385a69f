//! The attributes of a queue: settings with their defaults, and counts.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::queue::{Queue, Redrive};
use super::{arn, known, no_such_queue, queue};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

pub(super) const DELAY: &str = "DelaySeconds";
pub(super) const MAX_MESSAGE_SIZE: &str = "MaximumMessageSize";
pub(super) const RECEIVE_WAIT: &str = "ReceiveMessageWaitTimeSeconds";
pub(super) const VISIBILITY_TIMEOUT: &str = "VisibilityTimeout";
pub(super) const REDRIVE_POLICY: &str = "RedrivePolicy";

/// The numeric settings: default, least and most.
const NUMBERS: [(&str, u64, u64, u64); 5] = [
    (DELAY, 0, 0, 900),
    (MAX_MESSAGE_SIZE, super::send::MAX_BYTES, 1024, super::send::MAX_BYTES),
    ("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    (RECEIVE_WAIT, 0, 0, 20),
    (VISIBILITY_TIMEOUT, 30, 0, 43_200),
];

/// Settings that are kept and told, without further meaning here.
const TEXTS: [&str; 5] =
    ["KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "SqsManagedSseEnabled", "FifoQueue"];

impl Queue {
    /// Reads a numeric setting.
    pub(super) fn number(&self, name: &str) -> u64 {
        let default = NUMBERS.iter().find(|number| number.0 == name).map(|number| number.1);
        let set = self.attributes.get(name).and_then(|text| text.parse().ok());
        set.or(default).unwrap_or_default()
    }

    pub(super) fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }
}

pub(super) fn read(world: &mut World, request: &Request) -> Answer {
    let names = request.parameters().texts("AttributeNames");
    let arn = arn(world, request)?;
    let queue = known(world, &arn)?;
    let wanted = |name: &String| names.contains(&"All") || names.contains(&name.as_str());
    let attributes: Map<String, Value> =
        all(&arn, queue).into_iter().filter(|(name, _)| wanted(name)).collect();
    Ok(if attributes.is_empty() { json!({}) } else { json!({ "Attributes": attributes }) })
}

pub(super) fn write(world: &mut World, request: &Request) -> Answer {
    let settings = request.parameters().object("Attributes");
    check(world, request.parameters())?;
    let redrive = redrive(world, settings)?;
    let queue = queue(world, request)?;
    let new = request.parameters().map("Attributes");
    queue.attributes.extend(new.map(|(name, value)| (name.to_owned(), value.to_owned())));
    if let Some(redrive) = redrive {
        queue.redrive = redrive;
    }
    Ok(json!({}))
}

/// Refuses settings that SQS does not know or accept.
pub(super) fn check(world: &World, parameters: Parameters<'_>) -> Result<(), Failure> {
    for (name, value) in parameters.map("Attributes") {
        if let Some((_, _, least, most)) = NUMBERS.iter().find(|number| number.0 == name) {
            let fits = value.parse().is_ok_and(|number: u64| (*least..=*most).contains(&number));
            if !fits {
                let message = format!("Invalid value for the parameter {name}.");
                return Err(Failure::refused("InvalidAttributeValue", message));
            }
        } else if name != REDRIVE_POLICY && !TEXTS.contains(&name) {
            let message = format!("Unknown Attribute {name}.");
            return Err(Failure::refused("InvalidAttributeName", message));
        }
    }
    redrive(world, parameters.object("Attributes")).map(|_| ())
}

/// Reads the redrive policy: not mentioned, taken away (an empty text), or a queue that exists.
pub(super) fn redrive(
    world: &World,
    settings: Parameters<'_>,
) -> Result<Option<Option<Redrive>>, Failure> {
    let Some(policy) = settings.optional(REDRIVE_POLICY) else { return Ok(None) };
    if policy.is_empty() {
        return Ok(Some(None));
    }
    let invalid = || Failure::invalid_value(policy, REDRIVE_POLICY, "Redrive policy is not valid.");
    let policy: Value = serde_json::from_str(policy).map_err(|_| invalid())?;
    let policy = Parameters::new(&policy);
    let target = policy.optional("deadLetterTargetArn").ok_or_else(invalid)?.to_owned();
    let max_receives = policy.number("maxReceiveCount")?;
    let max_receives = max_receives.filter(|count| (1..=1000).contains(count));
    let max_receives = max_receives.and_then(|count| u32::try_from(count).ok());
    if !world.queues.contains_key(&target) {
        return Err(no_such_queue());
    }
    Ok(Some(Some(Redrive { target, max_receives: max_receives.ok_or_else(invalid)? })))
}

fn all(arn: &str, queue: &Queue) -> Map<String, Value> {
    let counts = [
        ("ApproximateNumberOfMessages", queue.visible().to_string()),
        ("ApproximateNumberOfMessagesDelayed", queue.delayed().to_string()),
        ("ApproximateNumberOfMessagesNotVisible", queue.held().to_string()),
        ("CreatedTimestamp", queue.created.to_string()),
        ("LastModifiedTimestamp", queue.created.to_string()),
        ("QueueArn", arn.to_owned()),
        ("SqsManagedSseEnabled", "true".to_owned()),
    ];
    let numbers = NUMBERS.iter().map(|(name, ..)| (*name, queue.number(name).to_string()));
    let defaults = counts.into_iter().chain(numbers).map(|(name, value)| (name.to_owned(), value));
    let set = queue.attributes.clone().into_iter().filter(|(_, value)| !value.is_empty());
    defaults.chain(set).map(|(name, value)| (name, Value::String(value))).collect()
}
