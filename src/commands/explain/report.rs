//! An explanation as tables, and as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::Explanation;
use super::rows::Says;
use crate::cli::table::Table;
use crate::commands::judging::words::{at, label, reason, sentence};
use crate::domain::policy::exemption::Exemption;
use crate::domain::policy::rule::span;
use crate::domain::policy::stored::Stored;
use crate::domain::policy::stored::attributes::rfc3339;
use crate::domain::policy::verdict::Verdict;

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stored { account, region, instance, now, trigger, .. } = &self.stored;
        let (now, trigger) = (rfc3339(*now), trigger.label());
        writeln!(formatter, "{instance} in account {account}, {region}, at {now} ({trigger})\n")?;
        let mut facts = Table::headed(["FACT", "VALUE"]);
        self.facts().iter().for_each(|(fact, value)| facts.add([fact, value]));
        writeln!(formatter, "{facts}")?;
        let mut policies = Table::headed(["POLICY", "MODE", "VERDICT"]);
        for (rule, says) in self.policies() {
            policies.add([&rule.id, rule.mode.as_str(), &says.text()]);
        }
        writeln!(formatter, "{policies}")?;
        writeln!(
            formatter,
            "What would be done: {}.",
            sentence(&self.judgement, self.stored.facts.state)
        )?;
        writeln!(formatter, "What would exempt it: {}.", self.exemption())
    }
}

impl Explanation<'_> {
    /// The same as one JSON object.
    ///
    /// # Errors
    /// None that is known: everything in it can be written.
    pub(in crate::commands) fn json(&self) -> anyhow::Result<String> {
        let verdict = self.judgement.verdict;
        let document = json!({
            "seen": self.stored.json(),
            "verdict": label(&self.judgement),
            "reason": reason(verdict),
            "at": at(verdict),
            "policies": self.policies_json(),
            "exempted_by": self.exemption_json(),
        });
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    fn policies_json(&self) -> Vec<Value> {
        let policies = self.policies().into_iter().map(|(rule, says)| {
            let error = match &says {
                Says::Failed(error) => Some(error),
                _ => None,
            };
            json!({
                "id": rule.id,
                "mode": rule.mode.label(),
                "grace": rule.grace.map(|grace| span(grace.period)),
                "description": rule.description,
                "where": rule.place,
                "verdict": says.label(),
                "error": error,
            })
        });
        policies.collect()
    }

    /// What exempts from the policies; where a date in the tag counts, what it says.
    fn exemption_json(&self) -> Value {
        let mut json = json!({
            "tag": self.policies.exception_tag(),
            "except_from": self.ignoring(),
        });
        let exemption = &self.judgement.decision.exemption;
        for (key, time) in [("until", exemption.ends()), ("ended", exemption.ended())] {
            if let Some(time) = time {
                json[key] = rfc3339(time).into();
            }
        }
        if let Some(value) = exemption.unclear() {
            json["unclear"] = value.into();
        }
        json
    }

    /// The policies that bind instances with the exception tag, too.
    fn ignoring(&self) -> Vec<&str> {
        let ignoring = self.policies.rules().filter(|rule| rule.ignores_exception);
        ignoring.map(|rule| rule.id.as_str()).collect()
    }

    fn exemption(&self) -> String {
        let tag = self.policies.exception_tag();
        let denials = self.judgement.decision.denials.iter();
        let ignoring = denials.filter(|rule| rule.ignores_exception);
        let ignoring: Vec<_> = ignoring.map(|rule| rule.id.as_str()).collect();
        let but = match ignoring.as_slice() {
            [] => String::new(),
            [one] => format!(", but not from {one}, which ignores it"),
            several => format!(", but not from {}, which ignore it", several.join(", ")),
        };
        match self.judgement.verdict {
            Verdict::Gone => "nothing has to".to_owned(),
            _ => self.exempting_tag(tag) + &but,
        }
    }

    /// The tag that exempts the instance, or would.
    fn exempting_tag(&self, tag: &str) -> String {
        match &self.judgement.decision.exemption {
            Exemption::Endless => format!("the tag {tag} does"),
            Exemption::Until(end) => format!("the tag {tag} does, until {}", rfc3339(*end)),
            Exemption::Unclear(_) => {
                format!("the tag {tag} does, without end: its value looks like a date and is none")
            }
            Exemption::Ended(end) => {
                format!("a later date in the tag {tag}, which exempted it until {}", rfc3339(*end))
            }
            Exemption::None if self.policies.exception_expires() => {
                format!("a tag of the key {tag}; a date in its value ends the exemption")
            }
            Exemption::None => format!("a tag of the key {tag}, whatever its value"),
        }
    }
}
