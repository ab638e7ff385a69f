//! Stored facts: what was known of an instance at a moment, as JSON. Test cases, `explain --facts`
//! and the lines of a replay have this form.
//!
//! ```json
//! {
//!   "account": "222222222222", "region": "eu-west-1", "instance": "i-0123456789abcdef0",
//!   "now": "2026-12-02T10:00:00Z", "trigger": "start",
//!   "facts": { "state": "running", "instanceType": "t3.micro", "tags": { "Name": "web" } }
//! }
//! ```
//!
//! - [`object`]: reads JSON key by key; `nearest`: what a misspelt key may have meant;
//! - `attributes`: the attributes of an instance, read and written;
//! - [`sample`]: what a test case need not say.

mod nearest;
pub mod object;
pub mod attributes;
pub mod sample;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use time::UtcDateTime;

use super::attribute::{Attribute, Value as AttributeValue};
use super::facts::{Facts, InstanceState, Tags};
use super::occasion::Trigger;
use super::reads::Reads;
use super::subject::Subject;
use crate::domain::ids::{Account, InstanceId, Region};

use attributes::rfc3339;
use object::{Object, Wrong};

/// The keys at the top; `replayed` is what an earlier replay made of the facts. Lines of an audit
/// trail have others beside them.
const KEYS: [&str; 9] =
    ["account", "region", "instance", "facts", "now", "trigger", "started", "read", "replayed"];
/// The keys of facts that are no attributes.
const OTHER_FACTS: [&str; 4] = ["tags", "firstTags", "state", "managed"];
/// The lifecycle of a spot instance.
const SPOT: &str = "spot";
/// The type of a root device with which an instance cannot be stopped.
const INSTANCE_STORE: &str = "instance-store";
/// The key that every line of an audit trail has.
const AUDIT: &str = "audit";

/// EC2's words for the states of an instance. The first of each kind is written.
const STATES: [(&str, InstanceState); 6] = [
    ("pending", InstanceState::Pending),
    ("running", InstanceState::Running),
    ("stopped", InstanceState::Stopped),
    ("stopping", InstanceState::Stopped),
    ("terminated", InstanceState::Terminated),
    ("shutting-down", InstanceState::Terminated),
];

/// What was known of an instance at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The account that it belongs to.
    pub account: Account,
    /// The region that it runs in.
    pub region: Region,
    /// Its id.
    pub instance: InstanceId,
    /// What DescribeInstances showed.
    pub facts: Facts,
    /// The tags that DescribeTags showed.
    pub first_tags: Tags,
    /// The moment.
    pub now: UtcDateTime,
    /// Why it was looked at.
    pub trigger: Trigger,
    /// When it started, as its event said; `None` if that is not known.
    pub started: Option<UtcDateTime>,
    /// The keys of the tags that were read, such as those that policies mentioned; `None`: all tags
    /// of the instance are here. A tag whose key was not read may be there all the same.
    pub read_tags: Option<BTreeSet<String>>,
}

impl Stored {
    /// Whether a JSON value is meant to be stored facts: it has the key `facts`.
    pub fn is_meant(value: &Value) -> bool {
        value.get("facts").is_some_and(|facts| !facts.is_null())
    }

    /// Reads stored facts. Those that do not say when they were true are taken for facts of `now`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(value: &Value, now: UtcDateTime) -> Result<Self, Wrong> {
        let top = Object::of(value, "")?;
        let is_audit = top.value(AUDIT).is_some();
        if !is_audit {
            top.has_only(&KEYS)?;
        }
        let Some(facts) = top.value("facts") else {
            return Err(top.wrong("facts", "is missing", "give what is known of the instance"));
        };
        let (facts, first_tags) = facts_of(&Object::of(facts, "facts")?)?;
        let told = match top.time("now")? {
            None if is_audit => top.time("time")?,
            told => told,
        };
        Ok(Self {
            account: top.required("account", Account::parse, "give 12 digits in quotes")?,
            region: top.required("region", Region::parse, "give a region such as eu-central-1")?,
            instance: top.required("instance", InstanceId::parse, INSTANCE)?,
            facts,
            first_tags,
            now: told.unwrap_or(now),
            trigger: top
                .read("trigger", Trigger::parse, "give start, tag or sweep")?
                .unwrap_or(Trigger::Start),
            started: top.time("started")?,
            read_tags: read_tags(&top)?,
        })
    }

    /// Writes stored facts.
    pub fn json(&self) -> Value {
        let mut json = json!({
            "account": self.account,
            "region": self.region,
            "instance": self.instance.as_str(),
            "now": rfc3339(self.now),
            "trigger": self.trigger.label(),
            "facts": self.facts_json(),
        });
        if let Some(started) = self.started {
            json["started"] = rfc3339(started).into();
        }
        if let Some(keys) = &self.read_tags {
            json["read"] = json!({ "tags": keys });
        }
        json
    }

    fn facts_json(&self) -> Value {
        let Facts { state, tags, attributes, is_managed, .. } = &self.facts;
        let mut facts = Map::new();
        facts.insert("state".to_owned(), state_word(*state).into());
        // What decides whether it can be stopped is known, also where no policy reads it.
        if self.facts.is_spot {
            facts.insert(Attribute::Lifecycle.name().to_owned(), SPOT.into());
        }
        if self.facts.has_instance_store_root {
            facts.insert(Attribute::RootDeviceType.name().to_owned(), INSTANCE_STORE.into());
        }
        for (attribute, value) in attributes {
            facts.insert(attribute.name().to_owned(), attributes::json(value));
        }
        facts.insert("tags".to_owned(), json!(tags));
        if *tags != self.first_tags {
            facts.insert("firstTags".to_owned(), json!(self.first_tags));
        }
        if *is_managed {
            facts.insert("managed".to_owned(), true.into());
        }
        facts.into()
    }

    /// Which instance it is.
    pub fn subject(&self) -> Subject<'_> {
        Subject { account: &self.account, region: &self.region, id: &self.instance }
    }

    /// The keys of the tags that policies read, and that were not read for these facts.
    pub fn unread_tags<'r>(&self, reads: &'r Reads) -> impl Iterator<Item = &'r str> {
        let read = self.read_tags.as_ref();
        let unread = move |key: &&String| read.is_some_and(|read| !read.contains(*key));
        reads.tags.iter().filter(unread).map(String::as_str)
    }

    /// Refuses facts that lack what every instance has and policies read, or whose tags were read
    /// for other policies: judged without it, they would show another verdict than the daemon's.
    ///
    /// # Errors
    /// Names the first tag key or attribute that is missing.
    pub fn has_all_of(&self, reads: &Reads) -> Result<(), Wrong> {
        if let Some(key) = self.unread_tags(reads).next() {
            return Err(Wrong {
                key: "read.tags".to_owned(),
                wrong: format!("lacks \"{key}\", and policies read it"),
                remedy: "replay the events again with these policies".to_owned(),
            });
        }
        let known = &self.facts.attributes;
        let is_lacking =
            |attribute: &&Attribute| !attribute.is_optional() && !known.contains_key(*attribute);
        match reads.attributes.iter().find(is_lacking) {
            None => Ok(()),
            Some(attribute) => Err(Wrong {
                key: format!("facts.{}", attribute.name()),
                wrong: "is missing, and policies read it".to_owned(),
                remedy: "give what it was".to_owned(),
            }),
        }
    }
}

/// Reads which tags were read.
fn read_tags(top: &Object<'_>) -> Result<Option<BTreeSet<String>>, Wrong> {
    let Some(read) = top.value("read") else { return Ok(None) };
    let read = Object::of(read, "read")?;
    read.has_only(&["tags"])?;
    Ok(read.texts("tags")?.map(BTreeSet::from_iter))
}

/// The word for a state.
pub fn state_word(state: InstanceState) -> &'static str {
    STATES.iter().find(|(_, other)| *other == state).map_or("pending", |(word, _)| word)
}

const INSTANCE: &str = "give an id such as i-0123456789abcdef0";

/// Reads facts, and the tags that DescribeTags showed, which are the same where nothing else is
/// said.
fn facts_of(object: &Object<'_>) -> Result<(Facts, Tags), Wrong> {
    let known: Vec<_> = Attribute::all().map(Attribute::name).chain(OTHER_FACTS).collect();
    object.has_only(&known)?;
    let state = |word: &str| STATES.iter().find(|(known, _)| *known == word).map(|(_, it)| *it);
    let words: Vec<_> = STATES.iter().map(|(word, _)| *word).collect();
    let state = object.read("state", state, &format!("there are {}", words.join(", ")))?;
    let attributes = attributes::read(object)?;
    let says = |attribute, text: &str| {
        attributes.get(&attribute) == Some(&AttributeValue::Text(text.to_owned()))
    };
    let tags: Tags = object.map("tags")?.unwrap_or_default();
    let first_tags = object.map("firstTags")?.unwrap_or_else(|| tags.clone());
    let facts = Facts {
        state: state.unwrap_or(InstanceState::Running),
        is_spot: says(Attribute::Lifecycle, SPOT),
        has_instance_store_root: says(Attribute::RootDeviceType, INSTANCE_STORE),
        is_managed: object.truth("managed")?.unwrap_or(false),
        stopped: None,
        tags,
        attributes,
    };
    Ok((facts, first_tags))
}
