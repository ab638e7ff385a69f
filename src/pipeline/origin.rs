//! Why an instance is worked on: the message of an event, or a sweep that found it.

use std::time::Duration;

use crate::inflight::message::{Arrival, HeldMessage};
use crate::pipeline::nomination::Nomination;

/// Where a delivery comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A message, which this process holds until it is settled.
    Message(HeldMessage),
    /// A sweep. There is no message to settle: what is to be tried later is forgotten, and the next
    /// sweep finds it.
    Sweep(Nomination),
}

impl Origin {
    /// When it came, and how often before.
    pub(crate) fn arrival(&self) -> &Arrival {
        match self {
            Self::Message(message) => &message.arrival,
            Self::Sweep(nomination) => &nomination.arrival,
        }
    }

    /// How long a message stays invisible at most when its lease ends now.
    pub(crate) fn visibility(&self) -> Duration {
        match self {
            Self::Message(message) => message.lease.visibility(),
            Self::Sweep(_) => Duration::ZERO,
        }
    }

    /// The sweep's nomination; `None` for a message.
    pub(crate) fn nomination(&self) -> Option<&Nomination> {
        match self {
            Self::Message(_) => None,
            Self::Sweep(nomination) => Some(nomination),
        }
    }
}

impl From<HeldMessage> for Origin {
    fn from(message: HeldMessage) -> Self {
        Self::Message(message)
    }
}
