//! Reads the body of a message: a state change of ours, one to ignore, or one to reject.
//!
//! Everything here comes from outside and is believed only as far as it is checked: nothing
//! leaves this file that could widen an EC2 filter, name another host or break a log line.

mod strict_json;

use std::time::SystemTime;

use serde::de::DeserializeSeed;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::ids::{Account, InstanceId, Region};

use strict_json::DistinctKeys;

const SOURCE: &str = "aws.ec2";
const DETAIL_TYPE: &str = "EC2 Instance State-change Notification";
/// The states that EC2 documents for this event.
const STATES: [&str; 6] =
    ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"];
/// EventBridge ids are UUIDs of 36 characters; the limit leaves room without inviting abuse.
const EVENT_ID_LIMIT: usize = 64;

/// What makes two deliveries the same event: account, region, instance and event id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventKey {
    /// The account that the event comes from.
    pub account: Account,
    /// The region that the instance runs in.
    pub region: Region,
    /// The instance that changed its state.
    pub instance: InstanceId,
    /// EventBridge's id of the event, or the SQS message id where that is unusable.
    pub event_id: Box<str>,
}

/// An instance changed its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// Which event this is.
    pub key: EventKey,
    /// When EC2 says that it happened; `None` if that cannot be read.
    pub time: Option<SystemTime>,
}

/// What the body of a message turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A `running` event in scope.
    StateChange(StateChange),
    /// A sound event that is not for this daemon: delete it.
    Ignored(Dismissal),
    /// Not a sound event, or out of scope: do nothing and leave it to SQS's redrive.
    Rejected(Dismissal),
}

impl Reading {
    /// The state change that the message tells of, as far as that much of it is sound.
    pub fn about(&self) -> Option<&StateChange> {
        match self {
            Self::StateChange(change) => Some(change),
            Self::Ignored(dismissal) | Self::Rejected(dismissal) => dismissal.about.as_ref(),
        }
    }
}

/// Why nothing is to be done for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissal {
    /// The reason, for the log.
    pub reason: &'static str,
    /// What it speaks of, where that much of it is sound.
    pub about: Option<StateChange>,
}

impl From<&'static str> for Dismissal {
    fn from(reason: &'static str) -> Self {
        Self { reason, about: None }
    }
}

/// The account and the regions whose events count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The account that the credentials belong to.
    pub account: Account,
    /// The regions that are looked after.
    pub regions: Vec<Region>,
}

impl Scope {
    /// Reads a message body; `message_id` stands in for an event id that is missing or unusable.
    pub fn read(&self, body: &str, message_id: &str) -> Reading {
        self.try_read(body, message_id).unwrap_or_else(Reading::Rejected)
    }

    fn try_read(&self, body: &str, message_id: &str) -> Result<Reading, Dismissal> {
        let event = unwrap_sns(parse(body)?)?;
        let source = string(&event, "source").ok_or("no_source")?;
        let detail_type = string(&event, "detail-type").ok_or("no_detail_type")?;
        if source != SOURCE || detail_type != DETAIL_TYPE {
            return Ok(Reading::Ignored("other_event_type".into()));
        }
        let (key, state) = identify(&event, message_id)?;
        let change = StateChange { key, time: time(&event) };
        if change.key.account != self.account {
            return Err(Dismissal { reason: "foreign_account", about: Some(change) });
        }
        if !self.regions.contains(&change.key.region) {
            return Err(Dismissal { reason: "region_out_of_scope", about: Some(change) });
        }
        if state != "running" {
            return Ok(Reading::Ignored(Dismissal { reason: "other_state", about: Some(change) }));
        }
        Ok(Reading::StateChange(change))
    }
}

/// Reads who and what an event is about, or says what is wrong with it.
fn identify(
    event: &Map<String, Value>,
    message_id: &str,
) -> Result<(EventKey, String), &'static str> {
    let detail = event.get("detail").and_then(Value::as_object).ok_or("no_detail")?;
    let account = string(event, "account").and_then(Account::parse).ok_or("unusable_account")?;
    let region = string(event, "region").and_then(Region::parse).ok_or("unusable_region")?;
    let instance =
        string(detail, "instance-id").and_then(InstanceId::parse).ok_or("unusable_instance_id")?;
    // AWS's own examples print the state in upper case once.
    let state = string(detail, "state").map(str::to_ascii_lowercase);
    let state = state.filter(|state| STATES.contains(&state.as_str())).ok_or("unusable_state")?;
    let event_id = string(event, "id").filter(|id| usable_event_id(id)).unwrap_or(message_id);
    Ok((EventKey { account, region, instance, event_id: event_id.into() }, state))
}

fn string<'event>(object: &'event Map<String, Value>, key: &str) -> Option<&'event str> {
    object.get(key).and_then(Value::as_str)
}

fn usable_event_id(id: &str) -> bool {
    (1..=EVENT_ID_LIMIT).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn time(event: &Map<String, Value>) -> Option<SystemTime> {
    OffsetDateTime::parse(string(event, "time")?, &Rfc3339).ok().map(SystemTime::from)
}

/// Takes the event out of an SNS notification, where the queue is subscribed to a topic.
fn unwrap_sns(object: Map<String, Value>) -> Result<Map<String, Value>, &'static str> {
    match (string(&object, "Type"), string(&object, "Message")) {
        (Some("Notification"), Some(message)) => parse(message),
        _ => Ok(object),
    }
}

fn parse(text: &str) -> Result<Map<String, Value>, &'static str> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = DistinctKeys.deserialize(&mut json).map_err(|_| "invalid_json")?;
    json.end().map_err(|_| "invalid_json")?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err("not_a_json_object"),
    }
}

#[cfg(test)]
pub(crate) mod oracle;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod properties;
