//! Notices: what the subscribers of the SNS topic are told of an outcome.

use sha2::{Digest, Sha256};

use crate::domain::event::EventKey;
use crate::domain::outcome::Outcome;

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
    /// The notice of an outcome; `None` for an outcome that is not announced.
    pub(crate) fn of(key: &EventKey, outcome: Outcome) -> Option<Self> {
        let (kind, text) = match outcome {
            Outcome::Stopped => ("stopped", format!("EC2 {} Stopped", key.instance)),
            Outcome::Refused(refusal) => {
                (refusal.label(), format!("EC2 {} NOT stopped: {refusal}", key.instance))
            }
            Outcome::Exempt
            | Outcome::Ignored
            | Outcome::Rejected
            | Outcome::Gone
            | Outcome::AnnouncedBefore
            | Outcome::Duplicate => return None,
        };
        let deduplication_id = deduplication_id(key, kind);
        let (subject, group_id) = (Some(SUBJECT), key.instance.to_string());
        Some(Self { subject, text, group_id, deduplication_id })
    }

    /// The same notice, which names the error code of EC2 in parentheses.
    #[must_use]
    pub(crate) fn naming(self, code: &str) -> Self {
        Self { text: format!("{} ({code})", self.text), ..self }
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

    #[test]
    fn a_stopped_instance_is_announced_in_the_words_of_the_contract() {
        let notice = Notice::of(&EventKey::example("a"), Outcome::Stopped).unwrap();
        assert_eq!(notice.text, "EC2 i-0abcd1234abcd1234 Stopped");
        assert_eq!(SUBJECT, "EC2 Violated Company Policy!! Manager will be Notified!!");
    }

    #[test]
    fn a_refusal_is_announced_with_its_reason() {
        let outcome = Outcome::Refused(Refusal::StopProtection);
        let notice = Notice::of(&EventKey::example("a"), outcome).unwrap();
        assert_eq!(notice.text, "EC2 i-0abcd1234abcd1234 NOT stopped: stop protection");
    }

    #[test]
    fn an_instance_for_which_ec2_keeps_failing_is_announced_with_ec2_s_code() {
        let outcome = Outcome::Refused(Refusal::Failing);
        let notice = Notice::of(&EventKey::example("a"), outcome).unwrap().naming("InternalError");
        let text = "EC2 i-0abcd1234abcd1234 NOT stopped: EC2 keeps failing (InternalError)";
        assert_eq!(notice.text, text);
    }

    #[test]
    fn nobody_hears_of_an_instance_that_violates_nothing() {
        for outcome in [Outcome::Exempt, Outcome::Ignored, Outcome::Gone] {
            assert_eq!(Notice::of(&EventKey::example("a"), outcome), None);
        }
    }

    #[test]
    fn the_deduplication_id_tells_events_outcomes_and_reasons_apart() {
        let id = |event, outcome| {
            Notice::of(&EventKey::example(event), outcome).unwrap().deduplication_id
        };
        let stopped = id("a", Outcome::Stopped);
        assert_eq!(stopped.len(), 64);
        assert_eq!(stopped, id("a", Outcome::Stopped));
        assert_ne!(stopped, id("b", Outcome::Stopped));
        let managed = id("a", Outcome::Refused(Refusal::Managed));
        assert_ne!(stopped, managed);
        assert_ne!(managed, id("a", Outcome::Refused(Refusal::AccessDenied)));
    }
}
