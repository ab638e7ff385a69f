//! The record of how one message ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::sns::MessageId;
use crate::domain::event::Event;
use crate::domain::outcome::Outcome;
use crate::domain::policy::decision::Decision;
use crate::pipeline::delivery::{FirstLook, Shown};

/// How one message ended. The decision line, the counts, the metrics and the line of the audit trail
/// are all made from this record, so that they cannot differ.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The event that the message is about; `None` if it has no valid event.
    pub(crate) about: Option<Event>,
    /// What the policies said about the instance; `None` if the instance was not judged.
    pub(crate) decision: Option<Arc<Decision>>,
    /// How the work on the event ended; `None` if it has not ended.
    pub(crate) outcome: Option<Outcome>,
    /// Why the message is retried, ignored or rejected, as a word with underscores. A refusal's
    /// reason is in its outcome.
    pub(crate) reason: Option<&'static str>,
    /// What is to become of the message.
    pub(crate) disposition: Disposition,
    /// What the audit trail tells beside this.
    pub(crate) evidence: Evidence,
}

/// What the audit trail tells of a message beside its decision line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// What DescribeTags showed of the instance.
    pub(crate) first_look: Option<FirstLook>,
    /// What DescribeInstances showed of it.
    pub(crate) second_look: Option<Shown>,
    /// SNS's id of the notice that told its owner.
    pub(crate) notice: Option<MessageId>,
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It is deleted, because its outcome is complete.
    Delete,
    /// It becomes visible again after this time, to be received and worked on once more.
    Retry { after: Duration },
    /// It is hidden until this moment, when its planned stop is due, or when SQS hides it no
    /// longer. A drain changes nothing about that.
    Hide { until: Instant },
    /// It is hidden until this moment, since stops are held. A drain changes nothing about that.
    Hold { until: Instant },
    /// It becomes visible at once, for another process.
    HandBack,
    /// Nothing is done: it becomes visible at this time, when its visibility timeout ends, until
    /// the queue's redrive policy moves it to the dead-letter queue.
    Leave { until: Instant },
}

impl Record {
    /// The record of a message of which only the lease is known.
    pub(crate) fn unknown(disposition: Disposition) -> Self {
        Self {
            about: None,
            decision: None,
            outcome: None,
            reason: None,
            disposition,
            evidence: Evidence::default(),
        }
    }

    /// The record of a message that joined the message of this record, and is settled with it. One
    /// that waits for a planned stop is worked on again, so that it is no duplicate yet.
    pub(crate) fn of_joined(&self) -> Self {
        let outcome = self.outcome.map(|outcome| match outcome {
            Outcome::Planned(_) => outcome,
            _ => Outcome::Duplicate,
        });
        Self { outcome, ..self.clone() }
    }

    /// The word for the log field `outcome`: that of the outcome or, without one, of the
    /// disposition.
    pub(crate) fn label(&self) -> &'static str {
        self.outcome.map_or(self.disposition.label(), Outcome::label)
    }

    /// The word for the log field `reason`.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self.outcome {
            Some(Outcome::Refused(refusal) | Outcome::WouldStop(Some(refusal))) => {
                Some(refusal.label())
            }
            Some(Outcome::CalledOff(why)) => Some(why.label()),
            _ => self.reason,
        }
    }
}

impl Disposition {
    /// The word for the disposition in logs and metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Retry { .. } => "retry",
            Self::Hide { .. } => "hide",
            Self::Hold { .. } => "hold",
            Self::HandBack => "hand_back",
            Self::Leave { .. } => "leave",
        }
    }
}
