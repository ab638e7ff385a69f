//! Outcomes: the ways in which the work on an event can end.

use std::fmt;

use time::UtcDateTime;

/// How the work on one event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The instance carries the exception tag; nothing was done.
    Exempt,
    /// The instance violates no policy, without the exception tag; nothing was done.
    Compliant,
    /// The instance violates policies of a dry run alone; nothing was done, and nobody was told. It
    /// would have been stopped, or refused for this reason.
    WouldStop(Option<Refusal>),
    /// The instance violates policies that only warn: its owner was told.
    Warned,
    /// The instance is to be stopped at this time: its owner was told. Its message is hidden until
    /// then.
    Planned(UtcDateTime),
    /// A stop that the owner was told of will not take place, for this reason: its owner was told so.
    CalledOff(CalledOff),
    /// The instance is exempt until this time, and its owner was told that this ends soon.
    Expiring(UtcDateTime),
    /// The event tells of a change of tags, and the instance does not run: nothing was done.
    NotRunning,
    /// The event is valid, but not about an instance that has started: nothing was done.
    Ignored,
    /// The message has no valid event, or one of another account or of a region that does not
    /// count: nothing was done.
    Rejected,
    /// The instance is terminated or shutting down, or EC2 does not know it.
    Gone,
    /// The instance violated the policy, and EC2 says that it is stopping or stopped.
    Stopped,
    /// The instance violates the policy and goes on running: it cannot, or must not, be stopped.
    Refused(Refusal),
    /// This process published the notice of the event before, for an earlier message.
    AnnouncedBefore,
    /// The message joined another message of its event, which was worked on at the same time, and
    /// was settled together with it.
    Duplicate,
}

/// Why an instance is left running although it violates the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Stop protection (`disableApiStop`) is on.
    StopProtection,
    /// EC2 does not permit to stop it, for another reason.
    NotPermitted,
    /// It belongs to a one-time spot request: EC2 can only terminate it.
    OneTimeSpot,
    /// It is a spot instance, and EC2 cannot stop it for another reason.
    UnstoppableSpot,
    /// Its root device is an instance store: EC2 can only terminate it.
    InstanceStore,
    /// Another AWS service manages it.
    Managed,
    /// The daemon runs on it.
    OwnHost,
    /// EC2 does not support stopping it, for another reason.
    Unsupported,
    /// IAM denies the daemon's role to stop it.
    AccessDenied,
    /// EC2 failed to look it up or to stop it, at each receive of its message.
    Failing,
    /// The budget of stops was used up until its message had to end.
    Budget,
}

/// Why a stop that an owner was told of will not take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledOff {
    /// The instance carries the exception tag now.
    Exempt,
    /// It violates no policy any more.
    Compliant,
    /// The policies that it violates do not stop any more: they warn, or are tried in a dry run.
    NotEnforced,
}

impl Outcome {
    /// Whether the work on the event has ended with this message. It goes on after a stop is
    /// planned, has ended with another message of a repeat, and an event that is ignored or
    /// rejected has none.
    pub fn is_complete(self) -> bool {
        !matches!(
            self,
            Self::Planned(_)
                | Self::Ignored
                | Self::Rejected
                | Self::AnnouncedBefore
                | Self::Duplicate
        )
    }

    /// Why a stop that was planned does not take place, with this outcome; `None` if it may.
    pub fn calls_off(self) -> Option<CalledOff> {
        match self {
            Self::Exempt => Some(CalledOff::Exempt),
            Self::Compliant => Some(CalledOff::Compliant),
            Self::Warned | Self::WouldStop(_) => Some(CalledOff::NotEnforced),
            _ => None,
        }
    }

    /// The word for the outcome in logs and metrics, without the reason of a refusal.
    pub fn label(self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::Compliant => "compliant",
            Self::WouldStop(_) => "would_stop",
            Self::Warned => "warned",
            Self::Planned(_) => "planned",
            Self::CalledOff(_) => "called_off",
            Self::Expiring(_) => "expiring",
            Self::NotRunning => "not_running",
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

impl CalledOff {
    /// The word for the reason in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::Compliant => "compliant",
            Self::NotEnforced => "not_enforced",
        }
    }
}

impl Refusal {
    /// Those that say that EC2 cannot stop the instance, or that the daemon must not, as long as
    /// nobody changes that: the others pass.
    pub const LASTING: [Self; 8] = [
        Self::StopProtection,
        Self::NotPermitted,
        Self::OneTimeSpot,
        Self::UnstoppableSpot,
        Self::InstanceStore,
        Self::Managed,
        Self::OwnHost,
        Self::Unsupported,
    ];

    /// The word for the reason in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::StopProtection => "stop_protection",
            Self::NotPermitted => "not_permitted",
            Self::OneTimeSpot => "one_time_spot",
            Self::UnstoppableSpot => "unstoppable_spot",
            Self::InstanceStore => "instance_store",
            Self::Managed => "managed",
            Self::OwnHost => "own_host",
            Self::Unsupported => "unsupported",
            Self::AccessDenied => "access_denied",
            Self::Failing => "keeps_failing",
            Self::Budget => "budget",
        }
    }

    /// The words for the reason in a notice.
    pub fn text(self) -> &'static str {
        match self {
            Self::StopProtection => "stop protection",
            Self::NotPermitted => "EC2 does not permit it",
            Self::OneTimeSpot => "one-time spot instance",
            Self::UnstoppableSpot => "spot instance that EC2 cannot stop",
            Self::InstanceStore => "instance-store root device",
            Self::Managed => "managed by an AWS service",
            Self::OwnHost => "own host",
            Self::Unsupported => "EC2 does not support stopping it",
            Self::AccessDenied => "access denied",
            Self::Failing => "EC2 keeps failing",
            Self::Budget => "budget",
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
            (Refusal::NotPermitted, "not_permitted", "EC2 does not permit it"),
            (Refusal::OneTimeSpot, "one_time_spot", "one-time spot instance"),
            (Refusal::UnstoppableSpot, "unstoppable_spot", "spot instance that EC2 cannot stop"),
            (Refusal::InstanceStore, "instance_store", "instance-store root device"),
            (Refusal::Managed, "managed", "managed by an AWS service"),
            (Refusal::OwnHost, "own_host", "own host"),
            (Refusal::Unsupported, "unsupported", "EC2 does not support stopping it"),
            (Refusal::AccessDenied, "access_denied", "access denied"),
            (Refusal::Failing, "keeps_failing", "EC2 keeps failing"),
            (Refusal::Budget, "budget", "budget"),
        ];
        for (refusal, label, text) in words {
            assert_eq!((refusal.label(), refusal.to_string().as_str()), (label, text));
        }
    }
}
