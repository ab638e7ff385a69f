//! Which calls may hold a message up. In a world with members, what happens in one account and
//! region holds up no message about another.

use ec2_policy_enforcer::sandbox::{Call, Outcome, Service};

use super::promptness::Activity;
use crate::simulation::evidence::Evidence;
use crate::simulation::members::Target;
use crate::simulation::names::assumed;

/// The places that a poller reserves in the inbox before it polls.
const POLL: usize = 10;
/// Errors of the sandbox itself where credentials are unknown or have expired, or a role cannot be
/// assumed.
const CREDENTIALS: [&str; 3] = ["AuthFailure", "RequestExpired", "AccessDenied"];

/// Which calls may hold a message up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope<'r> {
    /// All of them.
    All,
    /// Of those to EC2 and STS, the ones in this account and region.
    Target(Target<'r>),
}

impl<'r> Scope<'r> {
    pub(super) fn of(evidence: &Evidence<'r>, message: &str) -> Self {
        let has_members = evidence.record.plan.members.is_some();
        let target = evidence.target_of(message).filter(|_| has_members);
        target.map_or(Self::All, Self::Target)
    }

    /// When each process worked or had a reason not to, as far as this scope goes. Before a message
    /// is received, those of all others may fill the inbox.
    pub(super) fn activities(self, evidence: &Evidence<'r>) -> Vec<Activity<'r>> {
        let messages = evidence.record.history.sent.len();
        let may_be_full = self != Self::All && messages + POLL > evidence.record.plan.inbox;
        let processes = evidence.record.history.processes.iter();
        let activities = processes.map(|process| {
            let activity = Activity::of(evidence, process, self);
            let all = may_be_full.then(|| Activity::of(evidence, process, Self::All));
            all.into_iter().fold(activity, Activity::before_its_receipt)
        });
        activities.collect()
    }

    pub(super) fn holds(self, target: Target<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Target(own) => own == target,
        }
    }

    /// Whether a call is one that may hold a message up.
    pub(super) fn concerns(self, call: &Call) -> bool {
        match call.service {
            Service::Ec2 => self.holds((&call.account, &call.region)),
            Service::Sts => match self {
                Self::All => true,
                Self::Target((account, _)) => assumed(call) == Some(account),
            },
            _ => true,
        }
    }

    /// Whether a call failed because its account cannot be called, which is due to the plan.
    pub(super) fn is_troubled_by(self, evidence: &Evidence<'_>, call: &Call) -> bool {
        let plan = &evidence.record.plan;
        if is_expired(call) && plan.clock_ahead_secs < 0 {
            return true;
        }
        let is_planned = match self {
            Self::All => plan.members.is_some(),
            Self::Target(target) => plan.is_troubled(target, call.at - evidence.record.began),
        };
        let is_known = |code: &str| CREDENTIALS.contains(&code);
        is_planned
            && matches!(call.service, Service::Ec2 | Service::Sts)
            && matches!(&call.result, Outcome::Failed { code } if is_known(code))
    }
}

/// Whether EC2 found the credentials of a call expired, as by a host whose clock is behind.
fn is_expired(call: &Call) -> bool {
    matches!(&call.result, Outcome::Failed { code } if code == "RequestExpired")
}
