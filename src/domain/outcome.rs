//! How the work on one state change can end.

use std::fmt;

/// The end of one state change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The exception tag is there; nothing was done.
    Exempt,
    /// A sound event that is not for this daemon.
    Ignored,
    /// The instance is terminated, or was never there.
    Gone,
    /// EC2 says that it is stopping or stopped.
    Stopped,
    /// The instance goes on running, and cannot be stopped.
    Refused(Refusal),
}

/// Why an instance is left running although it violates the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its owner set `disableApiStop`.
    StopProtection,
    /// EC2 can only terminate an instance of a one-time spot request.
    OneTimeSpot,
    /// Its root device is an instance store.
    InstanceStore,
    /// Another AWS service looks after it.
    Managed,
    /// The daemon runs on it.
    OwnHost,
    /// EC2 cannot stop it for another reason of its kind.
    Unsupported,
    /// The role may not stop it.
    AccessDenied,
}

impl Outcome {
    /// The word for it, without the reason of a refusal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::Ignored => "ignored",
            Self::Gone => "gone",
            Self::Stopped => "stopped",
            Self::Refused(_) => "refused",
        }
    }
}

impl Refusal {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StopProtection => "stop protection",
            Self::OneTimeSpot => "one-time spot instance",
            Self::InstanceStore => "instance-store root device",
            Self::Managed => "managed by an AWS service",
            Self::OwnHost => "own host",
            Self::Unsupported => "EC2 does not support stopping it",
            Self::AccessDenied => "access denied",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())?;
        match self {
            Self::Refused(refusal) => write!(formatter, ": {refusal}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_read_as_the_logs_promise() {
        let words = [
            (Outcome::Exempt, "exempt"),
            (Outcome::Ignored, "ignored"),
            (Outcome::Gone, "gone"),
            (Outcome::Stopped, "stopped"),
            (Outcome::Refused(Refusal::StopProtection), "refused: stop protection"),
            (Outcome::Refused(Refusal::OneTimeSpot), "refused: one-time spot instance"),
            (Outcome::Refused(Refusal::InstanceStore), "refused: instance-store root device"),
            (Outcome::Refused(Refusal::Managed), "refused: managed by an AWS service"),
            (Outcome::Refused(Refusal::Unsupported), "refused: EC2 does not support stopping it"),
            (Outcome::Refused(Refusal::AccessDenied), "refused: access denied"),
        ];
        for (outcome, text) in words {
            assert_eq!(outcome.to_string(), text);
        }
    }
}
