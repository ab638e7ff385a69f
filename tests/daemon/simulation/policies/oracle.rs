//! What policies mean: whether an instance violates them, by what a look showed of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ec2_policy_enforcer::sandbox::Details;

use super::dates::date;
use super::{ACCOUNT, Condition, GROUP, Grace, Mode, Set, Test};
use crate::world::TAG;

pub(super) type Tags = BTreeMap<String, String>;

/// An instance as a policy sees it.
#[derive(Clone, Copy)]
pub(super) struct Subject<'r> {
    pub account: &'r str,
    pub region: &'static str,
    pub tags: &'r Tags,
    pub details: &'r Details,
    /// The time by the clock of the daemon.
    pub now: SystemTime,
    /// When the world began.
    pub began: SystemTime,
    /// Why it is judged: `start` or `tag`.
    pub trigger: &'static str,
}

impl Subject<'_> {
    /// When the instance was launched, in seconds after the begin of the world. EC2 shows whole
    /// seconds.
    pub(super) fn launched(&self) -> i64 {
        let secs = |at| i64::try_from(since_epoch(at).as_secs()).unwrap();
        secs(self.details.launched) - secs(self.began)
    }
}

/// A policy that an instance violates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulation) struct Denial {
    pub id: &'static str,
    pub mode: Mode,
    pub grace: Option<Grace>,
    pub ignores_exception: bool,
    pub description: Option<&'static str>,
}

impl Set {
    /// The policies that the instance violates, the built-in one first. The exception tag may have
    /// been shown elsewhere.
    pub(super) fn denials(&self, subject: Subject<'_>, has_exception: bool) -> Vec<Denial> {
        let builtin = Denial {
            id: "builtin",
            mode: self.cap,
            grace: self.grace,
            ignores_exception: false,
            description: Some("no tag SPECIAL_EXCEPTION"),
        };
        let violated = self.policies.iter().filter(|policy| policy.condition.is_met(subject));
        let mut others: Vec<_> = violated
            .map(|policy| Denial {
                id: policy.id,
                mode: policy.mode.min(self.cap),
                grace: policy.grace,
                ignores_exception: policy.ignores_exception,
                description: policy.description,
            })
            .collect();
        others.sort_by_key(|denial| denial.id);
        let all = self.builtin.then_some(builtin).into_iter().chain(others);
        all.filter(|denial| !has_exception || denial.ignores_exception).collect()
    }
}

pub(super) fn has_exception(tags: &Tags) -> bool {
    tags.contains_key(TAG)
}

impl Condition {
    fn is_met(&self, subject: Subject<'_>) -> bool {
        match self {
            Self::Is(test) => test.is_met(subject),
            Self::Not(condition) => !condition.is_met(subject),
            Self::All(parts) => parts.iter().all(|part| part.is_met(subject)),
            Self::Any(parts) => parts.iter().any(|part| part.is_met(subject)),
        }
    }
}

impl Test {
    fn is_met(&self, subject: Subject<'_>) -> bool {
        let Subject { account, region, tags, details, now, .. } = subject;
        let is_own = account == ACCOUNT;
        let tag = |key: &str| tags.get(key).map(String::as_str);
        match self {
            Self::TypeIn(types) => types.contains(&details.instance_type.as_str()),
            Self::HasTag(key) => tag(key).is_some(),
            Self::TagIs(key, value) => tag(key) == Some(value),
            Self::TagLike(key, pattern) => tag(key).is_some_and(|value| is_like(value, pattern)),
            Self::IsPast(key) => tag(key).and_then(date).is_some_and(|date| is_past(date, subject)),
            Self::HasPublicAddress => details.network.public_address.is_some(),
            Self::KeyIs(name) => details.key_name.as_deref() == Some(name),
            Self::RequiresTokens => details.metadata.requires_tokens || !details.metadata.enabled,
            Self::RunsLongerThan(secs) => {
                // EC2 shows whole seconds, and Cedar whole milliseconds.
                let launched = since_epoch(details.launched).as_secs();
                since_epoch(now).as_millis() > u128::from(launched + secs) * 1000
            }
            Self::InRegion(name) => region == *name,
            Self::InUnit(name) => is_own == (*name == "ours"),
            Self::InGroup(home, name) => is_own && region == *home && tag(GROUP) == Some(name),
            Self::TriggerIs(trigger) => *trigger == subject.trigger,
        }
    }
}

/// Whether a date, in seconds since the world began, has passed.
fn is_past(date: i64, Subject { now, began, .. }: Subject<'_>) -> bool {
    let now: i128 = since_epoch(now).as_millis().try_into().unwrap();
    let began: i128 = since_epoch(began).as_millis().try_into().unwrap();
    began + i128::from(date) * 1000 < now
}

fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

fn is_like(value: &str, pattern: &str) -> bool {
    let (start, end) = pattern.split_once('*').unwrap();
    value.len() >= start.len() + end.len() && value.starts_with(start) && value.ends_with(end)
}
