//! The verdict on stored facts. Every command that judges calls this, and this calls what the daemon
//! calls.

pub(super) mod words;

use std::time::SystemTime;

use time::UtcDateTime;

use crate::domain::policy::Policies;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::stored::Stored;
use crate::domain::policy::verdict::{Judgement, SecondLook, Verdict};
use crate::retry::delays;

/// Gives the verdict on an instance at the moment of its facts, as a daemon would that is asked
/// about it then. The daemon runs elsewhere, has told the owner nothing yet, and the event is so old
/// that EC2's answers are not behind it.
pub(super) fn judge(policies: &Policies, stored: &Stored) -> Judgement {
    let occasion = policies.occasion(stored.now, stored.trigger);
    let look = SecondLook {
        subject: stored.subject(),
        first_tags: &stored.first_tags,
        facts: Some(&stored.facts),
        was_absent: false,
        is_recent: false,
        is_own_host: false,
        started: stored.started,
        told: None,
        earliest_stop: Some(stored.now + delays::MIN_NOTICE),
    };
    policies.verdict(look, &occasion)
}

/// Whether an instance is stopped upon a verdict, at once or later.
pub(super) fn stops(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Stop | Verdict::Plan(_))
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
