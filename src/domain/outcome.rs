//! How the work on a message's event can end.

use std::fmt;

/// The end of the work on one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The instance carries the exception tag; nothing was done.
    Exempt,
    /// A sound event that is not for this daemon.
    Ignored,
    /// Not a sound event, or one of an account or a region that the daemon does not look after.
    Rejected,
    /// The instance is terminated, or was never there.
    Gone,
    /// EC2 says that the instance is stopping or stopped.
    Stopped,
    /// The instance goes on running: it cannot, or must not, be stopped.
    Refused(Refusal),
    /// An earlier message of the same event was completed by this process.
    AnnouncedBefore,
    /// Another message of the same event was worked on at the same time, and settled with this one.
    Duplicate,
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
    /// The word for it in logs and metrics, without the reason of a refusal.
    pub fn label(self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::Ignored => "ignored",
            Self::Rejected => "rejected",
            Self::Gone => "gone",
            Self::Stopped => "stopped",
            Self::Refused(_) => "refused",
            Self::AnnouncedBefore => "announced_before",
            Self::Duplicate => "duplicate",
        }
    }
}

impl Refusal {
    /// The word for it in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::StopProtection => "stop_protection",
            Self::OneTimeSpot => "one_time_spot",
            Self::InstanceStore => "instance_store",
            Self::Managed => "managed",
            Self::OwnHost => "own_host",
            Self::Unsupported => "unsupported",
            Self::AccessDenied => "access_denied",
        }
    }

    /// The words for it in a notice.
    pub fn text(self) -> &'static str {
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
        formatter.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_as_the_notices_promise() {
        let words = [
            (Refusal::StopProtection, "stop_protection", "stop protection"),
            (Refusal::OneTimeSpot, "one_time_spot", "one-time spot instance"),
            (Refusal::InstanceStore, "instance_store", "instance-store root device"),
            (Refusal::Managed, "managed", "managed by an AWS service"),
            (Refusal::OwnHost, "own_host", "own host"),
            (Refusal::Unsupported, "unsupported", "EC2 does not support stopping it"),
            (Refusal::AccessDenied, "access_denied", "access denied"),
        ];
        for (refusal, label, text) in words {
            assert_eq!((refusal.label(), refusal.to_string().as_str()), (label, text));
        }
    }
}
