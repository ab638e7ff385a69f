//! Reads the body of a message: an instance has started, its tags have changed, or the message is to
//! be ignored, or to be rejected.
//!
//! Anybody who may send to the queue can write anything into a body. So every value is checked
//! before it is used: nothing that this file returns can widen an EC2 filter, change a host name or
//! break a log line.

mod strict_json;
mod tag_change;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde::de::DeserializeSeed;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::members::Members;
use crate::domain::trigger::Trigger;

use strict_json::DistinctKeys;

const SOURCE: &str = "aws.ec2";
const DETAIL_TYPE: &str = "EC2 Instance State-change Notification";
/// The instance states that EC2 documents for this event.
const STATES: [&str; 6] =
    ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"];
/// The most bytes of an event id. EventBridge's ids are UUIDs of 36 characters; the limit allows
/// for another form, and keeps what is logged and hashed small.
const EVENT_ID_LIMIT: usize = 64;

/// What identifies an event: two messages with the same key are about the same event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventKey {
    /// The account that the event comes from.
    pub account: Account,
    /// The region that the instance runs in.
    pub region: Region,
    /// The instance that changed its state.
    pub instance: InstanceId,
    /// EventBridge's id of the event, or SQS's id of the message if the event has no usable id.
    /// Empty where there is no event, since a sweep found the instance.
    pub event_id: Box<str>,
}

impl EventKey {
    /// The id of the event; `None` where there is none.
    pub fn event_id(&self) -> Option<&str> {
        Some(&*self.event_id).filter(|id| !id.is_empty())
    }
}

#[cfg(test)]
impl EventKey {
    /// The key of an event with this id about one and the same instance.
    pub(crate) fn example(event_id: &str) -> Self {
        Self {
            account: Account::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
            instance: InstanceId::parse("i-0abcd1234abcd1234").unwrap(),
            event_id: event_id.into(),
        }
    }
}

/// An event after which an instance is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's account, region, instance and id.
    pub key: EventKey,
    /// When it happened, as the event says; `None` if its time cannot be read.
    pub time: Option<SystemTime>,
    /// What happened.
    pub trigger: Trigger,
}

/// What the body of a message turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// An instance in scope has started: it is to be looked at.
    Relevant(Event),
    /// The tags of an instance in scope have changed: it is to be looked at, if policies mention them.
    TagChange(TagChange),
    /// A valid event about something else, such as an instance that stops: the message is to be
    /// deleted.
    Ignored(Dismissal),
    /// No valid event, or one out of scope: the message is to be left to the queue's redrive
    /// policy.
    Rejected(Dismissal),
}

impl Reading {
    /// The event that the message is about, if everything that identifies it is valid.
    pub fn about(&self) -> Option<&Event> {
        match self {
            Self::Relevant(event) => Some(event),
            Self::TagChange(change) => Some(&change.event),
            Self::Ignored(dismissal) | Self::Rejected(dismissal) => dismissal.about.as_ref(),
        }
    }
}

/// An event that says that the tags of an instance have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagChange {
    /// The event.
    pub event: Event,
    /// The keys of the tags that were set, changed or removed.
    pub keys: BTreeSet<String>,
    /// The tags after the change, as the event says. They are never believed: they only tell
    /// whether EC2 should show other ones soon.
    pub tags: BTreeMap<String, String>,
}

/// Why a message is ignored or rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissal {
    /// The word for the log field `reason`, such as `foreign_account`.
    pub reason: &'static str,
    /// The event that the message is about, if everything that identifies it is valid.
    pub about: Option<Event>,
}

impl From<&'static str> for Dismissal {
    fn from(reason: &'static str) -> Self {
        Self { reason, about: None }
    }
}

/// The accounts and the regions whose events count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The account of the daemon's credentials, whose instances count.
    pub account: Account,
    /// The other accounts whose instances count.
    pub members: Members,
    /// The regions in which instances are stopped.
    pub regions: Vec<Region>,
    /// Whether changes of tags count, as the setting `policy.tag_changes` says. Otherwise their
    /// events are ignored unread.
    pub tag_changes: bool,
}

impl Scope {
    /// Reads a message body. `message_id` is used where the event has no usable id.
    pub fn read(&self, body: &str, message_id: &str) -> Reading {
        self.try_read(body, message_id).unwrap_or_else(Reading::Rejected)
    }

    fn try_read(&self, body: &str, message_id: &str) -> Result<Reading, Dismissal> {
        let event = unwrap_sns(parse(body)?)?;
        let source = string(&event, "source").ok_or("no_source")?;
        let detail_type = string(&event, "detail-type").ok_or("no_detail_type")?;
        if self.tag_changes && tag_change::is_one(source, detail_type) {
            return self.read_tag_change(&event, message_id);
        }
        if source != SOURCE || detail_type != DETAIL_TYPE {
            return Ok(Reading::Ignored("other_event_type".into()));
        }
        let (key, state) = identify(&event, message_id)?;
        let about = Event { key, time: time(&event), trigger: Trigger::Start };
        let about = self.in_scope(about)?;
        if state != "running" {
            return Ok(Reading::Ignored(Dismissal { reason: "other_state", about: Some(about) }));
        }
        Ok(Reading::Relevant(about))
    }

    fn read_tag_change(
        &self,
        event: &Map<String, Value>,
        message_id: &str,
    ) -> Result<Reading, Dismissal> {
        let Some(change) = tag_change::read(event, message_id)? else {
            return Ok(Reading::Ignored("other_resource".into()));
        };
        let event = self.in_scope(change.event)?;
        Ok(Reading::TagChange(TagChange { event, ..change }))
    }

    /// Rejects an event of an account or of a region that does not count.
    fn in_scope(&self, about: Event) -> Result<Event, Dismissal> {
        let account = &about.key.account;
        if *account != self.account && !self.members.has(account) {
            return Err(Dismissal { reason: "foreign_account", about: Some(about) });
        }
        if !self.regions.contains(&about.key.region) {
            return Err(Dismissal { reason: "region_out_of_scope", about: Some(about) });
        }
        Ok(about)
    }
}

/// Reads what identifies an event, and the instance's new state; or returns the reason to reject
/// it.
fn identify(
    event: &Map<String, Value>,
    message_id: &str,
) -> Result<(EventKey, String), &'static str> {
    let detail = event.get("detail").and_then(Value::as_object).ok_or("no_detail")?;
    let account = string(event, "account").and_then(Account::parse).ok_or("unusable_account")?;
    let region = string(event, "region").and_then(Region::parse).ok_or("unusable_region")?;
    let instance =
        string(detail, "instance-id").and_then(InstanceId::parse).ok_or("unusable_instance_id")?;
    // One of the examples in AWS's documentation has the state in upper case.
    let state = string(detail, "state").map(str::to_ascii_lowercase);
    let state = state.filter(|state| STATES.contains(&state.as_str())).ok_or("unusable_state")?;
    let event_id = event_id(event, message_id);
    Ok((EventKey { account, region, instance, event_id }, state))
}

/// The event's id, or that of its message where it has none that can be used.
fn event_id(event: &Map<String, Value>, message_id: &str) -> Box<str> {
    string(event, "id").filter(|id| is_usable_event_id(id)).unwrap_or(message_id).into()
}

fn string<'event>(object: &'event Map<String, Value>, key: &str) -> Option<&'event str> {
    object.get(key).and_then(Value::as_str)
}

/// Whether an event id can be logged and compared: 1 to 64 printable ASCII characters.
fn is_usable_event_id(id: &str) -> bool {
    (1..=EVENT_ID_LIMIT).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn time(event: &Map<String, Value>) -> Option<SystemTime> {
    OffsetDateTime::parse(string(event, "time")?, &Rfc3339).ok().map(SystemTime::from)
}

/// Takes the event out of an SNS notification, if the queue gets its events through an SNS topic.
fn unwrap_sns(object: Map<String, Value>) -> Result<Map<String, Value>, &'static str> {
    match (string(&object, "Type"), string(&object, "Message")) {
        (Some("Notification"), Some(message)) => parse(message),
        _ => Ok(object),
    }
}

/// Parses a JSON object, and rejects one that has a key twice.
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
