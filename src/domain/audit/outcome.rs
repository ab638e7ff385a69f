//! The line `outcome`: what became of a message, and why.

use std::collections::BTreeMap;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use time::UtcDateTime;

use super::{Millis, Secs, begin};
use crate::domain::event::Event;
use crate::domain::outcome::Outcome;
use crate::domain::policy::attribute::{Attributes, Value};
use crate::domain::policy::decision::Decision;
use crate::domain::policy::digest::Digest;
use crate::domain::policy::facts::Tags;

/// What became of a message, and why. What is `None` is left out of the line.
#[derive(Clone, Debug)]
pub struct OutcomeLine<'of> {
    /// When that was decided.
    pub time: UtcDateTime,
    /// SQS's id of the message; `None` where a sweep found the instance.
    pub message: Option<&'of str>,
    /// The event that it is about; `None` if it has no valid one.
    pub about: Option<&'of Event>,
    /// What EC2 showed of the instance.
    pub seen: Seen<'of>,
    /// What the policies said; `None` if the instance was not judged.
    pub decision: Option<&'of Decision>,
    /// The outcome.
    pub outcome: Outcome,
    /// Why, as a word with underscores.
    pub reason: Option<&'of str>,
    /// The time of the stop, or of the end of the exemption, that the owner was told of.
    pub deadline: Option<UtcDateTime>,
    /// SNS's id of the notice.
    pub notice: Option<&'of str>,
}

/// What EC2 showed of an instance, and when.
#[derive(Clone, Debug, Default)]
pub struct Seen<'of> {
    /// The tags that DescribeTags showed, and when.
    pub first: Option<(UtcDateTime, &'of Tags)>,
    /// The tags and attributes that DescribeInstances showed, and when the call was sent.
    pub second: Option<(UtcDateTime, &'of Tags, &'of Attributes)>,
    /// The policies by which it was judged.
    pub policies: Option<Digest>,
}

impl Serialize for OutcomeLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = begin(serializer, "outcome", self.time)?;
        add(&mut line, "message", self.message)?;
        if let Some(Event { key, trigger, .. }) = self.about {
            add(&mut line, "event", key.event_id())?;
            line.serialize_entry("trigger", trigger.label())?;
            line.serialize_entry("account", key.account.as_str())?;
            line.serialize_entry("region", key.region.as_str())?;
            line.serialize_entry("instance", key.instance.as_str())?;
        }
        self.seen.add_to(&mut line)?;
        if let Some(decision) = self.decision {
            line.serialize_entry("denials", &Denials(decision))?;
        }
        line.serialize_entry("outcome", self.outcome.label())?;
        add(&mut line, "reason", self.reason)?;
        add(&mut line, "deadline", self.deadline.map(Secs))?;
        add(&mut line, "notice", self.notice)?;
        add(&mut line, "policies_digest", self.seen.policies)?;
        line.end()
    }
}

impl Seen<'_> {
    fn add_to<M: SerializeMap>(&self, line: &mut M) -> Result<(), M::Error> {
        if self.first.is_none() && self.second.is_none() {
            return Ok(());
        }
        line.serialize_entry("tags", &self.tags())?;
        if let Some((_, _, attributes)) = self.second {
            line.serialize_entry("attributes", &Listed(attributes))?;
        }
        line.serialize_entry("looks", &Looks(self))
    }

    /// The tags of both looks: either exempts an instance. Where they differ, that of the second
    /// look counts.
    fn tags(&self) -> BTreeMap<&str, &str> {
        let first = self.first.iter().flat_map(|(_, tags)| *tags);
        let second = self.second.iter().flat_map(|(_, tags, _)| *tags);
        first.chain(second).map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
}

/// The policies that are violated, each with its mode.
struct Denials<'of>(&'of Decision);

impl Serialize for Denials<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// A policy that is violated.
        #[derive(Serialize)]
        struct Denial<'of> {
            policy: &'of str,
            mode: &'static str,
        }
        let mut list = serializer.serialize_seq(Some(self.0.denials.len()))?;
        for rule in &self.0.denials {
            list.serialize_element(&Denial { policy: &rule.id, mode: rule.mode.label() })?;
        }
        list.end()
    }
}

/// Attributes, by their names in policies.
struct Listed<'of>(&'of Attributes);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (attribute, value) in self.0 {
            let name = attribute.name();
            match value {
                Value::Text(text) => map.serialize_entry(name, text)?,
                Value::Texts(texts) => map.serialize_entry(name, texts)?,
                Value::Truth(truth) => map.serialize_entry(name, truth)?,
                Value::Time(time) => map.serialize_entry(name, &Secs(*time))?,
                Value::Address(address) => map.serialize_entry(name, address)?,
            }
        }
        map.end()
    }
}

/// When an instance was looked at.
struct Looks<'of>(&'of Seen<'of>);

impl Serialize for Looks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        add(&mut map, "tags", self.0.first.map(|(at, _)| Millis(at)))?;
        add(&mut map, "instance", self.0.second.map(|(at, ..)| Millis(at)))?;
        map.end()
    }
}

fn add<M: SerializeMap>(
    line: &mut M,
    name: &str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| line.serialize_entry(name, &value))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::event::EventKey;
    use crate::domain::policy::attribute::Attribute;
    use crate::domain::policy::mode::Mode;
    use crate::domain::policy::occasion::Trigger;
    use crate::domain::policy::rule::Rule;

    /// 2026-11-26T20:48:21.500Z
    fn time() -> UtcDateTime {
        UtcDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_795_726_101_500)
    }

    fn tags(key: &str, value: &str) -> Tags {
        [(key.to_owned(), value.to_owned())].into()
    }

    fn bare() -> OutcomeLine<'static> {
        OutcomeLine {
            time: time(),
            message: Some("m-1"),
            about: None,
            seen: Seen::default(),
            decision: None,
            outcome: Outcome::Rejected,
            reason: Some("no_json"),
            deadline: None,
            notice: None,
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let line = r#"{"audit":1,"kind":"outcome","time":"2026-11-26T20:48:21.500Z","message":"m-1","outcome":"rejected","reason":"no_json"}"#;
        assert_eq!(serde_json::to_string(&bare()).unwrap(), line);
    }

    #[test]
    fn all_that_is_known_is_told() {
        let event = Event { key: EventKey::example("e-1"), time: None, trigger: Trigger::Tag };
        let denials = vec![Arc::new(Rule::builtin(Mode::DryRun, None))];
        let decision = Decision { denials, ..Decision::allow() };
        let (first, second) = (tags("Env", "old"), tags("Env", "new"));
        let attributes = [
            (Attribute::LaunchTime, Value::Time(time())),
            (Attribute::SecurityGroupIds, Value::Texts(vec!["sg-1".to_owned()])),
            (Attribute::Imdsv2Required, Value::Truth(true)),
            (Attribute::PrivateIpAddress, Value::Address([10, 0, 0, 1].into())),
        ];
        let attributes = attributes.into();
        let seen = Seen {
            first: Some((time(), &first)),
            second: Some((time(), &second, &attributes)),
            policies: Some(Digest::of([b"a".as_slice()])),
        };
        let line = OutcomeLine {
            about: Some(&event),
            seen,
            decision: Some(&decision),
            outcome: Outcome::Planned(time()),
            reason: None,
            deadline: Some(time()),
            notice: Some("n-1"),
            ..bare()
        };
        let text = concat!(
            r#"{"audit":1,"kind":"outcome","time":"2026-11-26T20:48:21.500Z","message":"m-1","#,
            r#""event":"e-1","trigger":"tag","account":"123456789012","region":"us-east-1","#,
            r#""instance":"i-0abcd1234abcd1234","tags":{"Env":"new"},"attributes":{"#,
            r#""launchTime":"2026-11-26T20:48:21Z","imdsv2Required":true,"#,
            r#""securityGroupIds":["sg-1"],"privateIpAddress":"10.0.0.1"},"#,
            r#""looks":{"tags":"2026-11-26T20:48:21.500Z","#,
            r#""instance":"2026-11-26T20:48:21.500Z"},"#,
            r#""denials":[{"policy":"builtin","mode":"dry_run"}],"outcome":"planned","#,
            r#""deadline":"2026-11-26T20:48:21Z","notice":"n-1","policies_digest":""#,
        );
        let written = serde_json::to_string(&line).unwrap();
        assert!(written.starts_with(text), "{written}");
    }
}
