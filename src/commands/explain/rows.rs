//! What each policy says about an instance, and the facts that it reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::Explanation;
use crate::domain::policy::attribute::Attribute;
use crate::domain::policy::dates;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::facts::{Facts, Tags};
use crate::domain::policy::rule::Rule;
use crate::domain::policy::stored::attributes::{json, rfc3339};
use crate::domain::policy::stored::state_word;
use crate::domain::policy::verdict::{NotYet, Verdict};

/// What a policy says about an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// The instance violates it, by both readings of the tags.
    Denies,
    /// The same by one reading alone, which stops nothing.
    DeniesByOneReading(&'static str),
    /// The instance does not violate it.
    DoesNotDeny,
    /// It was not asked, since the instance carries the exception tag.
    Spared,
    /// It was not asked, since the instance does not run.
    NotAsked,
    /// It could not be decided.
    Failed(String),
}

impl Says {
    /// The word in JSON.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Denies => "denies",
            Self::DeniesByOneReading(_) => "denies_by_one_reading",
            Self::DoesNotDeny => "does_not_deny",
            Self::Spared => "spared",
            Self::NotAsked => "not_asked",
            Self::Failed(_) => "error",
        }
    }

    /// The words in the table.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Denies => "denies".to_owned(),
            Self::DeniesByOneReading(call) => format!("denies, by {call} alone"),
            Self::DoesNotDeny => "does not deny".to_owned(),
            Self::Spared => "spared by the exception tag".to_owned(),
            Self::NotAsked => "not asked".to_owned(),
            Self::Failed(error) => format!("cannot be decided: {error}"),
        }
    }
}

impl Explanation<'_> {
    /// Each policy, and what it says.
    pub(super) fn policies(&self) -> Vec<(&Arc<Rule>, Says)> {
        let by_first_tags =
            Facts { tags: self.stored.first_tags.clone(), ..self.stored.facts.clone() };
        let readings = [&by_first_tags, &self.stored.facts].map(|facts| self.decide(facts));
        self.policies.rules().map(|rule| (rule, self.says(rule, &readings))).collect()
    }

    fn decide(&self, facts: &Facts) -> Decision {
        let occasion = self.policies.occasion(self.stored.now, self.stored.trigger);
        self.policies.decide(self.stored.subject(), facts, &occasion)
    }

    /// What a policy says, also by each reading of the tags.
    fn says(&self, rule: &Arc<Rule>, [first, second]: &[Decision; 2]) -> Says {
        let judgement = &self.judgement;
        let denies = |decision: &Decision| decision.denials.contains(rule);
        let faults = [&judgement.decision, first, second].into_iter().flat_map(|by| &by.faults);
        let mut faults = faults.filter(|fault| fault.policy == rule.id);
        match judgement.verdict {
            _ if judgement.decision.exemption.holds() && !rule.ignores_exception => Says::Spared,
            Verdict::Gone
            | Verdict::NotRunning
            | Verdict::NotYet(NotYet::Pending | NotYet::Unknown) => Says::NotAsked,
            _ if denies(&judgement.decision) => Says::Denies,
            _ => match (faults.next(), denies(first), denies(second)) {
                (Some(fault), ..) => Says::Failed(fault.error.clone()),
                (None, _, true) => Says::DeniesByOneReading("DescribeInstances"),
                (None, true, false) => Says::DeniesByOneReading("DescribeTags"),
                (None, false, false) => Says::DoesNotDeny,
            },
        }
    }

    /// The facts that policies read, each with its value.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let (reads, facts) = (self.policies.reads(), &self.stored.facts);
        let mut rows = vec![("state".to_owned(), state_word(facts.state).to_owned())];
        if facts.is_managed {
            rows.push(("managed".to_owned(), "true".to_owned()));
        }
        rows.extend(reads.attributes.iter().map(|attribute| self.attribute(*attribute)));
        for key in &reads.tags {
            rows.push((format!("tag {key}"), self.tag(key)));
            let counts = reads.dates || self.ends_exemption(key);
            let date = facts.tags.get(key).filter(|_| counts).and_then(|it| dates::date(it));
            rows.extend(date.map(|date| (format!("date in {key}"), rfc3339(date))));
        }
        rows
    }

    /// Whether a date in the tag of this key ends an exemption.
    fn ends_exemption(&self, key: &str) -> bool {
        self.policies.exception_expires() && key == self.policies.exception_tag()
    }

    fn attribute(&self, attribute: Attribute) -> (String, String) {
        let value = self.stored.facts.attributes.get(&attribute);
        let value = value.map_or_else(|| NONE.to_owned(), |value| plain(&json(value)));
        (attribute.name().to_owned(), value)
    }

    /// The value of a tag, by both readings where they differ.
    fn tag(&self, key: &str) -> String {
        let shown = |tags: &Tags| {
            tags.get(key).map_or_else(|| NONE.to_owned(), |value| Value::from(&**value).to_string())
        };
        let readings = [shown(&self.stored.first_tags), shown(&self.stored.facts.tags)];
        let different: BTreeSet<_> = readings.iter().collect();
        let [first, second] = &readings;
        if different.len() == 1 {
            return second.clone();
        }
        format!("{second} by DescribeInstances, {first} by DescribeTags")
    }
}

/// What stands for a tag or an attribute that the instance does not have.
const NONE: &str = "-";

/// A value without quotes; several with commas between them. A text that a terminal might obey
/// stays in quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().any(char::is_control) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => NONE.to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
