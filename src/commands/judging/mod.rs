//! The verdict on stored facts. Every command that judges calls this, and this calls what the daemon
//! calls.

pub(super) mod words;

use std::time::SystemTime;

use time::UtcDateTime;

use crate::domain::policy::Policies;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::stored::Stored;
use crate::domain::policy::verdict::{Judgement, NotYet, SecondLook, Verdict};
use crate::retry::delays;

/// Gives the verdict on an instance at the moment of its facts, as a daemon would that is asked
/// about it then. The daemon runs elsewhere, has told the owner nothing yet, and the event is so old
/// that EC2's answers are not behind it.
pub(super) fn judge(policies: &Policies, stored: &Stored) -> Judgement {
    let occasion = policies.occasion(stored.now, stored.trigger);
    let look = SecondLook {
        first_tags: &stored.first_tags,
        started: stored.started,
        earliest_stop: Some(stored.now + delays::MIN_NOTICE),
        ..SecondLook::alone(stored.subject(), &stored.facts)
    };
    policies.verdict(look, &occasion)
}

/// Whether an enforced policy denies a start: its instance is stopped, at once or later, unless it
/// is stopped already, or cannot be.
pub(super) fn is_denied(judgement: &Judgement) -> bool {
    judgement.decision.mode() == Some(Mode::Enforce)
}

/// Whether policies were asked. They are not about an instance that does not run yet, or is gone.
pub(super) fn is_decided(judgement: &Judgement) -> bool {
    !matches!(judgement.verdict, Verdict::Gone | Verdict::NotYet(NotYet::Pending | NotYet::Unknown))
}

/// A sentence for each policy that could not be evaluated.
pub(super) fn faults(judgement: &Judgement) -> impl Iterator<Item = String> {
    let faults = judgement.decision.faults.iter();
    faults.map(|fault| format!("{} cannot be evaluated: {}", fault.policy, fault.error))
}

/// The ids of the policies that an instance violates; the enforced ones alone where `mode` is
/// given.
pub(super) fn denying(judgement: &Judgement, mode: Option<Mode>) -> Vec<String> {
    let denials = judgement.decision.denials.iter();
    let denials = denials.filter(|rule| mode.is_none_or(|mode| rule.mode == mode));
    denials.map(|rule| rule.id.clone()).collect()
}

/// The time of day in whole seconds, for facts that do not say when they were true.
pub(super) fn now() -> UtcDateTime {
    UtcDateTime::from(SystemTime::now()).truncate_to_second()
}
