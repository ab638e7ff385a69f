//! How one message ended.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::event::StateChange;
use crate::domain::outcome::Outcome;
use crate::domain::policy::Decision;

/// How one message ended. Written once; the decision line, the counts and the metrics are made from
/// it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// What its event says, as far as that is sound.
    pub(crate) about: Option<StateChange>,
    /// What the policy said of the instance; `None` if nobody looked at it.
    pub(crate) decision: Option<Decision>,
    /// How the work on the event ended; `None` if it is to be tried again.
    pub(crate) outcome: Option<Outcome>,
    /// Why, as a word with underscores.
    pub(crate) reason: Option<&'static str>,
    /// What is to become of the message.
    pub(crate) disposition: Disposition,
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Its outcome is complete: delete it.
    Delete,
    /// It becomes visible again after this time, and is tried once more.
    Retry { after: Duration },
    /// It becomes visible at once, for another process.
    HandBack,
    /// It is left alone: it becomes visible at this time, and SQS's redrive policy decides.
    Leave { until: Instant },
}

impl Record {
    /// The record of a message of which nothing is known any more.
    pub(crate) fn unknown(disposition: Disposition) -> Self {
        Self { about: None, decision: None, outcome: None, reason: None, disposition }
    }

    /// The record of a message that joined the one of this record.
    pub(crate) fn of_joined(&self) -> Self {
        Self { outcome: self.outcome.map(|_| Outcome::Duplicate), ..self.clone() }
    }

    /// The word for the end: that of the outcome, or what becomes of the message without one.
    pub(crate) fn label(&self) -> &'static str {
        self.outcome.map_or(self.disposition.label(), Outcome::label)
    }

    /// Why it ended so, as a word with underscores.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self.outcome {
            Some(Outcome::Refused(refusal)) => Some(refusal.label()),
            _ => self.reason,
        }
    }
}

impl Disposition {
    /// The word for it in logs and metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Retry { .. } => "retry",
            Self::HandBack => "hand_back",
            Self::Leave { .. } => "leave",
        }
    }
}
