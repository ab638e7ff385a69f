//! Why an instance is in its state, as `DescribeInstances` tells: `StateTransitionReason`, a text, and
//! `StateReason`, a code and a message.

use std::time::SystemTime;

use super::instance::State;
use crate::sandbox::dates::rfc3339;

/// Why an instance is in its state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reason {
    /// It was launched or started.
    #[default]
    Started,
    /// Somebody stopped or terminated it by a call at this time. AWS does not say who.
    User(SystemTime),
    /// It was shut down from its own operating system. AWS does not say when.
    Inside,
}

impl Reason {
    /// The reason of an instance that is launched in a state.
    pub(super) fn of(state: State, now: SystemTime) -> Self {
        match state {
            State::Pending | State::Running => Self::Started,
            _ => Self::User(now),
        }
    }

    /// The text of `StateTransitionReason`, such as `User initiated (2026-11-26 03:08:39 GMT)`.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::User(at) => {
                format!("User initiated ({})", rfc3339(at).replace('T', " ").replace('Z', " GMT"))
            }
            Self::Started | Self::Inside => String::new(),
        }
    }

    /// The code and the message of `StateReason`. An instance that runs has none.
    pub(super) fn coded(self, state: State) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Started if state == State::Pending => Some(("pending", "pending")),
            Self::Started => None,
            Self::User(_) => Some((
                "Client.UserInitiatedShutdown",
                "Client.UserInitiatedShutdown: User initiated shutdown",
            )),
            Self::Inside => Some((
                "Client.InstanceInitiatedShutdown",
                "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
            )),
        }
    }
}
