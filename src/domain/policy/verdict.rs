//! The verdict: what is to be done about an instance, decided from the second look at it.
//!
//! The first look (DescribeTags) only finds instances with the exception tag. The second one
//! (DescribeInstances), at most 5 s before the stop, shows everything that the verdict depends on.
//! It is given here, by one `match`, for everything that judges an instance.

use super::facts::{Facts, InstanceState};
use super::{Decision, Policy};
use crate::domain::outcome::Refusal;

/// What is known about one instance at the second look.
#[derive(Clone, Copy, Debug)]
pub struct SecondLook<'look> {
    /// What DescribeInstances said; `None` if it does not know the instance.
    pub facts: Option<&'look Facts>,
    /// Whether an earlier look, a minute ago or more, did not show the instance either.
    pub was_absent: bool,
    /// Whether the event is under 5 minutes old: EC2's answers may show what was before it, an
    /// instance that is stopped or not there yet.
    pub is_recent: bool,
    /// Whether the daemon itself runs on the instance.
    pub is_own_host: bool,
}

/// What is to be done about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It violates the policy and runs, or may run: stop it.
    Stop,
    /// It carries the exception tag.
    Exempt,
    /// It violates the policy, and is stopping or stopped already.
    AlreadyStopped,
    /// It is terminated or shutting down, or EC2 does not know it.
    Gone,
    /// Nothing can be decided yet: look again later.
    NotYet(NotYet),
    /// It violates the policy, but cannot or must not be stopped: do not try.
    Refuse(Refusal),
}

/// Why nothing can be decided about an instance yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// It is not running yet.
    Pending,
    /// EC2 does not know it yet.
    Unknown,
    /// EC2 shows it as stopped, which may be out of date, and it must not or cannot be stopped.
    MayRun,
}

impl Policy {
    /// Gives the verdict on an instance.
    pub fn verdict(&self, look: SecondLook<'_>) -> Verdict {
        let Some(facts) = look.facts else {
            let is_gone = look.was_absent && !look.is_recent;
            return if is_gone { Verdict::Gone } else { Verdict::NotYet(NotYet::Unknown) };
        };
        match (self.decide(&facts.tags), facts.state) {
            (Decision::Allow, _) => Verdict::Exempt,
            // No instance leaves this state, so that even an answer that lags is right.
            (Decision::Violation, InstanceState::Terminated) => Verdict::Gone,
            (Decision::Violation, InstanceState::Pending) => Verdict::NotYet(NotYet::Pending),
            (Decision::Violation, InstanceState::Running) => running_violator(facts, look),
            (Decision::Violation, InstanceState::Stopped) => stopped_violator(facts, look),
        }
    }
}

/// The verdict on an instance that runs without the exception tag.
fn running_violator(facts: &Facts, look: SecondLook<'_>) -> Verdict {
    if look.is_own_host {
        Verdict::Refuse(Refusal::OwnHost)
    } else if facts.is_managed {
        Verdict::Refuse(Refusal::Managed)
    } else if facts.has_instance_store_root {
        Verdict::Refuse(Refusal::InstanceStore)
    } else {
        Verdict::Stop
    }
}

/// The verdict on an instance without the exception tag that EC2 shows as stopping or stopped.
///
/// An answer that lags shows the state before the start that the event tells of. So while the event
/// is recent, the instance is put into StopInstances, which changes nothing about one that is
/// stopped, and whose answer tells the state that it was in.
fn stopped_violator(facts: &Facts, look: SecondLook<'_>) -> Verdict {
    match running_violator(facts, look) {
        // The daemon runs on it, and so it runs.
        Verdict::Refuse(Refusal::OwnHost) => Verdict::Refuse(Refusal::OwnHost),
        _ if !look.is_recent => Verdict::AlreadyStopped,
        Verdict::Stop => Verdict::Stop,
        _ => Verdict::NotYet(NotYet::MayRun),
    }
}

impl Verdict {
    /// What the rule said about the instance; `None` where it was not decided.
    pub fn decision(self) -> Option<Decision> {
        match self {
            Self::Exempt => Some(Decision::Allow),
            Self::Stop | Self::AlreadyStopped | Self::Refuse(_) => Some(Decision::Violation),
            Self::Gone | Self::NotYet(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Tags;
    use super::*;

    fn running(tags: &[(&str, &str)]) -> Facts {
        let tags: Tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Facts {
            state: InstanceState::Running,
            tags,
            is_spot: false,
            has_instance_store_root: false,
            is_managed: false,
        }
    }

    fn untagged() -> Facts {
        running(&[("Name", "web")])
    }

    /// The verdict on an instance by an event that is not recent.
    fn verdict(facts: &Facts) -> Verdict {
        let look = SecondLook {
            facts: Some(facts),
            was_absent: false,
            is_recent: false,
            is_own_host: false,
        };
        Policy::new("SPECIAL_EXCEPTION").verdict(look)
    }

    fn verdict_of_recent(facts: &Facts) -> Verdict {
        let look = SecondLook {
            facts: Some(facts),
            was_absent: false,
            is_recent: true,
            is_own_host: false,
        };
        Policy::new("SPECIAL_EXCEPTION").verdict(look)
    }

    #[test]
    fn a_running_instance_without_the_tag_is_stopped_be_it_spot_or_not() {
        assert_eq!(verdict(&untagged()), Verdict::Stop);
        assert_eq!(verdict(&Facts { is_spot: true, ..untagged() }), Verdict::Stop);
    }

    #[test]
    fn the_tag_exempts_whatever_else_is_true() {
        let tagged = running(&[("SPECIAL_EXCEPTION", "")]);
        for state in [InstanceState::Pending, InstanceState::Stopped, InstanceState::Terminated] {
            assert_eq!(verdict(&Facts { state, ..tagged.clone() }), Verdict::Exempt);
        }
        assert_eq!(verdict(&Facts { is_managed: true, ..tagged }), Verdict::Exempt);
    }

    #[test]
    fn an_instance_that_does_not_run_is_not_stopped() {
        let rows = [
            (InstanceState::Pending, Verdict::NotYet(NotYet::Pending)),
            (InstanceState::Stopped, Verdict::AlreadyStopped),
            (InstanceState::Terminated, Verdict::Gone),
        ];
        for (state, expected) in rows {
            // Its kind makes no difference to an instance that does not run.
            let facts =
                Facts { state, is_managed: true, has_instance_store_root: true, ..untagged() };
            assert_eq!(verdict(&facts), expected);
        }
    }

    #[test]
    fn a_running_instance_that_must_not_or_cannot_be_stopped_is_refused() {
        let managed = Facts { is_managed: true, has_instance_store_root: true, ..untagged() };
        assert_eq!(verdict(&managed), Verdict::Refuse(Refusal::Managed));
        let stored = Facts { has_instance_store_root: true, ..untagged() };
        assert_eq!(verdict(&stored), Verdict::Refuse(Refusal::InstanceStore));
        let look = SecondLook {
            facts: Some(&managed),
            was_absent: false,
            is_recent: true,
            is_own_host: true,
        };
        let own = Policy::new("SPECIAL_EXCEPTION").verdict(look);
        assert_eq!(own, Verdict::Refuse(Refusal::OwnHost));
    }

    #[test]
    fn that_an_instance_is_stopped_is_not_believed_while_its_event_is_recent() {
        let stopped = Facts { state: InstanceState::Stopped, ..untagged() };
        assert_eq!(verdict(&stopped), Verdict::AlreadyStopped);
        assert_eq!(verdict_of_recent(&stopped), Verdict::Stop);
        assert_eq!(verdict_of_recent(&Facts { is_spot: true, ..stopped }), Verdict::Stop);
    }

    #[test]
    fn what_cannot_be_stopped_and_may_run_is_looked_at_again() {
        let stopped = Facts { state: InstanceState::Stopped, ..untagged() };
        for facts in [
            Facts { is_managed: true, ..stopped.clone() },
            Facts { has_instance_store_root: true, ..stopped.clone() },
        ] {
            assert_eq!(verdict_of_recent(&facts), Verdict::NotYet(NotYet::MayRun));
        }
    }

    #[test]
    fn the_own_host_runs_whatever_ec2_shows() {
        let stopped = Facts { state: InstanceState::Stopped, ..untagged() };
        for is_recent in [true, false] {
            let look = SecondLook {
                facts: Some(&stopped),
                was_absent: false,
                is_recent,
                is_own_host: true,
            };
            let verdict = Policy::new("SPECIAL_EXCEPTION").verdict(look);
            assert_eq!(verdict, Verdict::Refuse(Refusal::OwnHost));
        }
    }

    #[test]
    fn a_recent_event_changes_nothing_about_what_cannot_be_out_of_date() {
        let terminated = Facts { state: InstanceState::Terminated, ..untagged() };
        assert_eq!(verdict_of_recent(&terminated), Verdict::Gone);
        assert_eq!(verdict_of_recent(&untagged()), Verdict::Stop);
    }

    #[test]
    fn an_unknown_instance_is_gone_by_two_looks_at_an_event_that_is_not_recent() {
        let policy = Policy::new("SPECIAL_EXCEPTION");
        let look =
            SecondLook { facts: None, was_absent: true, is_recent: false, is_own_host: false };
        assert_eq!(policy.verdict(look), Verdict::Gone);
        for early in
            [SecondLook { was_absent: false, ..look }, SecondLook { is_recent: true, ..look }]
        {
            assert_eq!(policy.verdict(early), Verdict::NotYet(NotYet::Unknown));
        }
    }

    #[test]
    fn only_what_ec2_shows_is_judged() {
        assert_eq!(Verdict::Stop.decision(), Some(Decision::Violation));
        assert_eq!(Verdict::Exempt.decision(), Some(Decision::Allow));
        assert_eq!(Verdict::Gone.decision(), None);
    }
}
