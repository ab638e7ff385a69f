//! What an owner is told of one instance, and in which words.

use std::sync::Arc;

use time::UtcDateTime;

use super::hash::hash;
use super::style::UNKNOWN_OWNER;
use crate::domain::event::EventKey;
use crate::domain::outcome::{CalledOff, Outcome};
use crate::domain::policy::decision::Decision;
use crate::domain::policy::facts::Tags;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::rule::Rule;

/// What an owner is told of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Told<'t> {
    /// The event, which names the instance.
    pub key: &'t EventKey,
    /// What was done about it.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason<'t>,
    /// The owner.
    pub owner: String,
    /// When the instance was last started, if that is known.
    pub launched: Option<UtcDateTime>,
    /// The line of the audit trail, for programs; `None` where there is none.
    pub line: Option<String>,
}

/// Why an instance has an outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reason<'r> {
    /// Which policies it violates; `None` where that was not decided.
    pub decision: Option<&'r Decision>,
    /// The key of the exception tag.
    pub exception_tag: &'r str,
    /// The code of the error with which EC2 keeps failing.
    pub code: Option<&'r str>,
}

impl Told<'_> {
    /// The text of the notice; `None` for an outcome that is not announced. By the built-in policy
    /// alone it has one line, the contract's. Otherwise lines follow that name the policies, and
    /// say how to be exempt.
    pub(super) fn text(&self) -> Option<String> {
        let first = self.first_line()?;
        let lines = match self.outcome {
            Outcome::Expiring(_) => self.remedies(),
            _ => self.reason.lines(),
        };
        let lines = lines.iter().flat_map(|line| ["\n", line]);
        Some([&*first].into_iter().chain(lines).collect())
    }

    /// The first line of the text, which says what was done.
    pub(super) fn first_line(&self) -> Option<String> {
        let instance = &self.key.instance;
        let text = match self.outcome {
            Outcome::Stopped => format!("EC2 {instance} Stopped"),
            Outcome::Refused(refusal) => format!("EC2 {instance} NOT stopped: {refusal}"),
            Outcome::Warned => {
                format!("EC2 {instance} violates {}", self.reason.policies().join(", "))
            }
            Outcome::Planned(at) => format!("EC2 {instance} will be stopped at {}", minutes(at)),
            Outcome::CalledOff(why) => {
                let because = called_off(why, self.reason.exception_tag);
                format!("EC2 {instance} will NOT be stopped: {because}")
            }
            Outcome::Expiring(end) => {
                format!("EC2 {instance} is exempt until {}", minutes(end))
            }
            Outcome::NotRunning
            | Outcome::Exempt
            | Outcome::Compliant
            | Outcome::WouldStop(_)
            | Outcome::Ignored
            | Outcome::Rejected
            | Outcome::Gone
            | Outcome::AnnouncedBefore
            | Outcome::Duplicate => return None,
        };
        let code = self.reason.code.map(|code| format!(" ({code})")).unwrap_or_default();
        Some(text + &code)
    }

    /// What the owner can do.
    pub(super) fn remedies(&self) -> Vec<String> {
        match self.outcome {
            Outcome::CalledOff(_) => Vec::new(),
            Outcome::Expiring(_) => {
                let tag = self.reason.exception_tag;
                vec![format!("A later date in the tag {tag} exempts it for longer.")]
            }
            _ => self.reason.remedies(),
        }
    }

    /// The attribute `kind`: what subscribers tell notices apart by.
    pub(super) fn kind(&self) -> &'static str {
        match self.outcome {
            Outcome::Planned(_) => "planned",
            Outcome::CalledOff(_) => "called_off",
            Outcome::Expiring(_) => "expiring",
            _ => "outcome",
        }
    }

    /// The word for the reason of the outcome, as in logs; `None` where it has none.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self.outcome {
            Outcome::Refused(refusal) => Some(refusal.label()),
            Outcome::CalledOff(why) => Some(why.label()),
            _ => None,
        }
    }

    /// The same for every notice of one event with one text, whichever process publishes it.
    pub(super) fn deduplication_id(&self) -> String {
        let EventKey { account, region, instance, event_id } = self.key;
        // What a sweep found has no event, and is told of its launch.
        let launched = self.launched.map(|at| at.to_string()).unwrap_or_default();
        let event_id = if event_id.is_empty() { &*launched } else { event_id };
        let kind = match self.outcome {
            // An owner who is told another time is to read that, too.
            Outcome::Planned(at) => format!("planned {}", minutes(at)),
            Outcome::CalledOff(_) => "called off".to_owned(),
            Outcome::Refused(refusal) => refusal.label().to_owned(),
            other => other.label().to_owned(),
        };
        let parts = [account.as_str(), region.as_str(), instance.as_str(), event_id, &kind];
        hash(&parts.join("\n"))
    }
}

impl<'r> Reason<'r> {
    /// The ids of the policies that owners are told of.
    pub(super) fn policies(&self) -> Vec<&'r str> {
        self.told().map(|rule| rule.id.as_str()).collect()
    }

    /// The strongest mode of the policies that owners are told of.
    pub(super) fn mode(&self) -> Option<Mode> {
        self.told().map(|rule| rule.mode).max()
    }

    /// Whether the notice has a line for each policy: not where the built-in policy is the only one
    /// that owners are told of.
    pub(super) fn has_lines(&self) -> bool {
        !self.told().all(|rule| rule.is_plain())
    }

    /// The line about a policy.
    pub(super) fn line(&self, rule: &Rule) -> String {
        match &rule.description {
            Some(description) => format!("Policy {}: {description}", rule.id),
            None if rule.is_builtin() => {
                let what = if self.ended_at().is_some() { "exempting tag" } else { "tag" };
                format!("Policy {}: no {what} {}", rule.id, self.exception_tag)
            }
            None => format!("Policy {}", rule.id),
        }
    }

    /// A line for each policy, if the notice has them.
    pub(super) fn policy_lines(&self) -> Vec<String> {
        let told = self.told().filter(|_| self.has_lines());
        told.map(|rule| self.line(rule)).collect()
    }

    /// The ids of the policies from which the exception tag does not exempt.
    pub(super) fn ignoring(&self) -> Vec<&'r str> {
        let ignoring = self.told().filter(|rule| rule.ignores_exception);
        ignoring.map(|rule| rule.id.as_str()).collect()
    }

    /// When the exemption ended, to the minute; `None` if none did, or if it spared from no policy
    /// that owners are told of.
    pub(super) fn ended_at(&self) -> Option<String> {
        let end = self.decision?.exemption.ended()?;
        self.told().any(|rule| !rule.ignores_exception).then(|| minutes(end))
    }

    /// How to be exempt.
    pub(super) fn remedies(&self) -> Vec<String> {
        let (ignoring, tag) = (self.ignoring(), self.exception_tag);
        match &*ignoring {
            [] => vec![
                self.ended()
                    .unwrap_or_else(|| format!("To exempt the instance, give it the tag {tag}.")),
            ],
            all if all.len() == self.told().count() => {
                vec![format!("The tag {tag} does not exempt from {}.", all.join(", "))]
            }
            some => {
                let some = some.join(", ");
                let last = format!("The tag {tag} exempts from the others, but not from {some}.");
                self.ended().into_iter().chain([last]).collect()
            }
        }
    }

    /// The lines after the first one: one for each policy, and one that says how to be exempt; where
    /// the built-in policy is the only one that owners are told of, nothing but the end of an
    /// exemption.
    fn lines(&self) -> Vec<String> {
        let mut lines = self.policy_lines();
        if lines.is_empty() {
            return self.ended().into_iter().collect();
        }
        lines.extend(self.remedies());
        lines
    }

    /// The sentence that says when the exemption ended.
    fn ended(&self) -> Option<String> {
        let (end, tag) = (self.ended_at()?, self.exception_tag);
        let again = format!("a later date in the tag {tag} exempts it again");
        Some(format!("Its exemption ended at {end}; {again}."))
    }

    /// The policies that owners are told of.
    pub(super) fn told(&self) -> impl Iterator<Item = &'r Arc<Rule>> {
        let denials = self.decision.into_iter().flat_map(|decision| &decision.denials);
        denials.filter(|rule| rule.mode >= Mode::Warn)
    }
}

/// Whether anybody is told of an outcome.
pub(crate) fn is_announced(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Stopped
            | Outcome::Refused(_)
            | Outcome::Warned
            | Outcome::Planned(_)
            | Outcome::CalledOff(_)
            | Outcome::Expiring(_)
    )
}

/// Whether it is remembered of a launch that its owner was told of an outcome, so that they are not
/// told again. Plans know themselves what was told of them.
pub(crate) fn is_remembered(outcome: Outcome) -> bool {
    is_announced(outcome) && !matches!(outcome, Outcome::Planned(_) | Outcome::CalledOff(_))
}

/// The sense of a notice about an instance that goes on running: two with the same tell its owner the
/// same.
pub(crate) fn sense(outcome: Outcome, decision: Option<&Decision>) -> String {
    let reason = match outcome {
        Outcome::Refused(refusal) => refusal.label(),
        _ => "",
    };
    let policies = decision.map(Decision::policies).unwrap_or_default();
    format!("{} {reason} {policies}", outcome.label())
}

/// The sense of a notice that an exemption ends so soon, such as in `7 days`.
pub(crate) fn expiry_sense(end: UtcDateTime, ahead: &str) -> String {
    format!("expiring {ahead} {}", minutes(end))
}

/// The owner of an instance: the value of the first of the tags that is there and not blank. Control
/// characters are left out, since whoever can tag an instance could write lines of their own into
/// notices.
pub(crate) fn owner<'k>(tags: &[&Tags], keys: impl IntoIterator<Item = &'k String>) -> String {
    let value = |key| tags.iter().find_map(|tags| clean(tags.get(key)?));
    keys.into_iter().find_map(value).unwrap_or_else(|| UNKNOWN_OWNER.to_owned())
}

fn clean(value: &str) -> Option<String> {
    let is_invisible = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let value: String = value.chars().filter(|c| !is_invisible(*c)).collect();
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// Why a stop that was told will not take place, as its owner reads it.
fn called_off(why: CalledOff, exception_tag: &str) -> String {
    match why {
        CalledOff::Exempt => format!("it has the tag {exception_tag}"),
        CalledOff::Compliant => "it violates no policy any more".to_owned(),
        CalledOff::NotEnforced => "the policies that it violates do not stop any more".to_owned(),
    }
}

/// A time as RFC 3339 has it, to the minute.
pub(crate) fn minutes(at: UtcDateTime) -> String {
    let (date, time) = (at.date(), at.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}Z", time.hour(), time.minute())
}
