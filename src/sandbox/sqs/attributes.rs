//! `GetQueueAttributes` and `SetQueueAttributes`: a queue's settings, with their defaults, and
//! counts.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::queue::Queue;
use super::{arn, known, no_such_queue, queue, redrive};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

pub(super) const DELAY: &str = "DelaySeconds";
pub(super) const MAX_MESSAGE_SIZE: &str = "MaximumMessageSize";
pub(super) const RECEIVE_WAIT: &str = "ReceiveMessageWaitTimeSeconds";
pub(super) const VISIBILITY_TIMEOUT: &str = "VisibilityTimeout";

/// The numeric settings: name, default, least and greatest value.
const NUMBERS: [(&str, u64, u64, u64); 5] = [
    (DELAY, 0, 0, 900),
    (MAX_MESSAGE_SIZE, super::send::MAX_BYTES, 1024, super::send::MAX_BYTES),
    ("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    (RECEIVE_WAIT, 0, 0, 20),
    (VISIBILITY_TIMEOUT, 30, 0, 43_200),
];

/// Settings that the sandbox stores and returns, and that change nothing else.
const TEXTS: [&str; 5] =
    ["KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "SqsManagedSseEnabled", "FifoQueue"];

impl Queue {
    /// Reads a numeric setting.
    pub(super) fn number(&self, name: &str) -> u64 {
        let default = NUMBERS.iter().find(|number| number.0 == name).map(|number| number.1);
        let set = self.attributes.get(name).and_then(|text| text.parse().ok());
        set.or(default).unwrap_or_default()
    }

    /// Adds an attribute to a new queue.
    pub(in crate::sandbox) fn having(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// Stores settings that [`check`] has accepted.
    pub(super) fn set(&mut self, parameters: Parameters<'_>) -> Result<(), Failure> {
        for (name, value) in parameters.map("Attributes") {
            self.attributes.insert(name.to_owned(), value.to_owned());
            if name == redrive::POLICY {
                self.redrive = redrive::parse(value)?;
            }
        }
        Ok(())
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
    check(world, request.parameters())?;
    queue(world, request)?.set(request.parameters())?;
    Ok(json!({}))
}

/// Refuses settings that SQS does not have, and values that it does not accept.
pub(super) fn check(world: &World, parameters: Parameters<'_>) -> Result<(), Failure> {
    for (name, value) in parameters.map("Attributes") {
        let number = NUMBERS.iter().find(|number| number.0 == name);
        match number {
            Some((_, _, least, most)) => check_number(name, value, *least, *most)?,
            None if name == redrive::POLICY => check_redrive(world, value)?,
            None if TEXTS.contains(&name) => {}
            None => {
                let message = format!("Unknown Attribute {name}.");
                return Err(Failure::refused("InvalidAttributeName", message));
            }
        }
    }
    Ok(())
}

fn check_number(name: &str, value: &str, least: u64, most: u64) -> Result<(), Failure> {
    if value.parse().is_ok_and(|number: u64| (least..=most).contains(&number)) {
        return Ok(());
    }
    let message = format!("Invalid value for the parameter {name}.");
    Err(Failure::refused("InvalidAttributeValue", message))
}

/// Refuses a redrive policy whose dead-letter queue does not exist.
fn check_redrive(world: &World, policy: &str) -> Result<(), Failure> {
    match redrive::parse(policy)? {
        Some(redrive) if !world.queues.contains_key(&redrive.target) => Err(no_such_queue()),
        _ => Ok(()),
    }
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
