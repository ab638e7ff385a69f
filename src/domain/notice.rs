//! Notices: what the subscribers of the SNS topic are told of an outcome.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use time::UtcDateTime;

use crate::domain::event::EventKey;
use crate::domain::outcome::{CalledOff, Outcome};
use crate::domain::policy::decision::Decision;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::rule::Rule;

/// The subject of every notice. SNS takes fewer than 100 ASCII characters without line breaks (API
/// reference of Publish).
pub(crate) const SUBJECT: &str = "EC2 Violated Company Policy!! Manager will be Notified!!";

/// A notice, as it is published to the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The subject; `None` if SNS refused the notice as invalid with a subject, and it is tried
    /// without one.
    pub subject: Option<&'static str>,
    /// The text that subscribers read.
    pub text: String,
    /// The instance id. A FIFO topic keeps the notices of one group in order.
    pub group_id: String,
    /// A hash of the event, the outcome and its reason, 64 hex digits. A FIFO topic drops a notice
    /// whose id it has seen within 5 minutes.
    pub deduplication_id: String,
}

impl Notice {
    /// The notice of an outcome; `None` for an outcome that is not announced. By the built-in
    /// policy alone it has one line, the contract's. Otherwise lines follow that name the policies,
    /// and say how to be exempt.
    pub(crate) fn of(key: &EventKey, outcome: Outcome, reason: &Reason<'_>) -> Option<Self> {
        let instance = &key.instance;
        let (kind, text) = match outcome {
            Outcome::Stopped => ("stopped".to_owned(), format!("EC2 {instance} Stopped")),
            Outcome::Refused(refusal) => {
                (refusal.label().to_owned(), format!("EC2 {instance} NOT stopped: {refusal}"))
            }
            Outcome::Warned => {
                let policies = reason.told().map(|rule| rule.id.as_str()).collect::<Vec<_>>();
                ("warned".to_owned(), format!("EC2 {instance} violates {}", policies.join(", ")))
            }
            Outcome::Planned(at) => {
                // An owner who is told another time is to read that, too.
                let at = minutes(at);
                (format!("planned {at}"), format!("EC2 {instance} will be stopped at {at}"))
            }
            Outcome::CalledOff(why) => {
                let because = called_off(why, reason.exception_tag);
                let text = format!("EC2 {instance} will NOT be stopped: {because}");
                ("called off".to_owned(), text)
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
        let deduplication_id = deduplication_id(key, &kind);
        let (subject, group_id) = (Some(SUBJECT), key.instance.to_string());
        let code = reason.code.map(|code| format!(" ({code})")).unwrap_or_default();
        let text = format!("{text}{code}{}", reason.lines());
        Some(Self { subject, text, group_id, deduplication_id })
    }

    /// Whether the notice has a subject.
    pub(crate) fn has_subject(&self) -> bool {
        self.subject.is_some()
    }

    /// The same notice with the subject.
    #[must_use]
    pub(crate) fn with_subject(self) -> Self {
        Self { subject: Some(SUBJECT), ..self }
    }

    /// The same notice without a subject.
    #[must_use]
    pub(crate) fn without_subject(self) -> Self {
        Self { subject: None, ..self }
    }
}

/// The sense of a notice about an instance that goes on running: two with the same tell its owner the
/// same.
pub(crate) fn told(outcome: Outcome, decision: Option<&Decision>) -> String {
    let reason = match outcome {
        Outcome::Refused(refusal) => refusal.label(),
        _ => "",
    };
    let policies = decision.map(Decision::policies).unwrap_or_default();
    format!("{} {reason} {policies}", outcome.label())
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

impl Reason<'_> {
    /// The policies that owners are told of.
    fn told(&self) -> impl Iterator<Item = &Arc<Rule>> {
        let denials = self.decision.into_iter().flat_map(|decision| &decision.denials);
        denials.filter(|rule| rule.mode >= Mode::Warn)
    }

    /// A line for each policy, and one that says how to be exempt; where the built-in policy is the
    /// only one that owners are told of, nothing but the end of an exemption.
    fn lines(&self) -> String {
        if self.told().all(|rule| rule.is_plain()) {
            return self.ended().map(|ended| format!("\n{ended}")).unwrap_or_default();
        }
        let policies = self.told().map(|rule| match &rule.description {
            Some(description) => format!("Policy {}: {description}", rule.id),
            None if rule.is_builtin() => {
                let what = if self.ended().is_some() { "exempting tag" } else { "tag" };
                format!("Policy {}: no {what} {}", rule.id, self.exception_tag)
            }
            None => format!("Policy {}", rule.id),
        });
        let mut lines: Vec<_> = policies.collect();
        let ignoring = self.told().filter(|rule| rule.ignores_exception);
        let ignoring: Vec<_> = ignoring.map(|rule| rule.id.as_str()).collect();
        let tag = self.exception_tag;
        let last = match &*ignoring {
            [] => self
                .ended()
                .unwrap_or_else(|| format!("To exempt the instance, give it the tag {tag}.")),
            all if all.len() == lines.len() => {
                format!("The tag {tag} does not exempt from {}.", all.join(", "))
            }
            some => {
                lines.extend(self.ended());
                format!("The tag {tag} exempts from the others, but not from {}.", some.join(", "))
            }
        };
        lines.push(last);
        format!("\n{}", lines.join("\n"))
    }

    /// The sentence that says when the exemption ended; `None` if none did, or if it spared from no
    /// policy that owners are told of.
    fn ended(&self) -> Option<String> {
        let end = self.decision?.exemption.ended()?;
        let tag = self.exception_tag;
        self.told().any(|rule| !rule.ignores_exception).then(|| {
            let end = minutes(end);
            format!("Its exemption ended at {end}; a later date in the tag {tag} exempts it again.")
        })
    }
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
fn minutes(at: UtcDateTime) -> String {
    let (date, time) = (at.date(), at.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}Z", time.hour(), time.minute())
}

/// The same for every notice of one event with one text, whichever process publishes it.
fn deduplication_id(key: &EventKey, kind: &str) -> String {
    let parts =
        [key.account.as_str(), key.region.as_str(), key.instance.as_str(), &key.event_id, kind];
    let digest = Sha256::digest(parts.join("\n"));
    digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::Refusal;

    fn notice_of(event: &str, outcome: Outcome) -> Option<Notice> {
        let decision = Decision::plain();
        let reason = Reason { decision: Some(&decision), exception_tag: "KEEP", code: None };
        Notice::of(&EventKey::example(event), outcome, &reason)
    }

    #[test]
    fn a_stopped_instance_is_announced_in_the_words_of_the_contract() {
        let notice = notice_of("a", Outcome::Stopped).unwrap();
        assert_eq!(notice.text, "EC2 i-0abcd1234abcd1234 Stopped");
        assert_eq!(SUBJECT, "EC2 Violated Company Policy!! Manager will be Notified!!");
    }

    #[test]
    fn a_refusal_is_announced_with_its_reason() {
        let outcome = Outcome::Refused(Refusal::StopProtection);
        let notice = notice_of("a", outcome).unwrap();
        assert_eq!(notice.text, "EC2 i-0abcd1234abcd1234 NOT stopped: stop protection");
    }

    #[test]
    fn an_instance_for_which_ec2_keeps_failing_is_announced_with_ec2_s_code() {
        let outcome = Outcome::Refused(Refusal::Failing);
        let code = Some("InternalError");
        let reason = Reason { decision: None, exception_tag: "KEEP", code };
        let notice = Notice::of(&EventKey::example("a"), outcome, &reason).unwrap();
        let text = "EC2 i-0abcd1234abcd1234 NOT stopped: EC2 keeps failing (InternalError)";
        assert_eq!(notice.text, text);
    }

    #[test]
    fn nobody_hears_of_an_instance_that_violates_nothing() {
        for outcome in [Outcome::Exempt, Outcome::Ignored, Outcome::Gone] {
            assert_eq!(notice_of("a", outcome), None);
        }
    }

    #[test]
    fn the_deduplication_id_tells_events_outcomes_and_reasons_apart() {
        let id = |event, outcome| notice_of(event, outcome).unwrap().deduplication_id;
        let stopped = id("a", Outcome::Stopped);
        assert_eq!(stopped.len(), 64);
        assert_eq!(stopped, id("a", Outcome::Stopped));
        assert_ne!(stopped, id("b", Outcome::Stopped));
        let planned = |at| id("a", Outcome::Planned(at));
        let at = UtcDateTime::UNIX_EPOCH;
        assert_eq!(planned(at), planned(at + time::Duration::SECOND));
        assert_ne!(planned(at), planned(at + time::Duration::MINUTE));
        let managed = id("a", Outcome::Refused(Refusal::Managed));
        assert_ne!(stopped, managed);
        assert_ne!(managed, id("a", Outcome::Refused(Refusal::AccessDenied)));
    }
}
