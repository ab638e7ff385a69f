//! Verdicts in words.

use crate::domain::policy::facts::InstanceState;
use crate::domain::policy::stored::attributes::rfc3339;
use crate::domain::policy::verdict::{Judgement, NotYet, Verdict};

/// The word for a verdict, in tables and JSON. An instance is not called compliant where a policy
/// could not be evaluated.
pub(in crate::commands) fn label(judgement: &Judgement) -> &'static str {
    match judgement.verdict {
        Verdict::Compliant if !judgement.decision.faults.is_empty() => "undecided",
        Verdict::Stop => "stop",
        Verdict::Plan(_) => "plan",
        Verdict::Warn => "warn",
        Verdict::WouldStop(_) => "would_stop",
        Verdict::Exempt => "exempt",
        Verdict::Compliant => "compliant",
        Verdict::AlreadyStopped => "already_stopped",
        Verdict::NotRunning => "not_running",
        Verdict::Gone => "gone",
        Verdict::NotYet(_) => "not_yet",
        Verdict::Refuse(_) => "refuse",
    }
}

/// The word for why an instance is not stopped, or not yet.
pub(in crate::commands) fn reason(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Refuse(refusal) | Verdict::WouldStop(Some(refusal)) => Some(refusal.label()),
        Verdict::NotYet(why) => Some(match why {
            NotYet::Pending => "instance_pending",
            NotYet::Unknown => "instance_unknown",
            NotYet::MayRun => "instance_may_run",
            NotYet::TagsDisagree => "tags_disagree",
            NotYet::TooYoung => "instance_just_started",
        }),
        _ => None,
    }
}

/// The time of a planned stop.
pub(in crate::commands) fn at(verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Plan(at) => Some(rfc3339(at)),
        _ => None,
    }
}

/// What would be done about an instance that is in this state, as a sentence.
pub(in crate::commands) fn sentence(judgement: &Judgement, state: InstanceState) -> String {
    match judgement.verdict {
        Verdict::Warn if state == InstanceState::Stopped => {
            "its owner would be told, though it is stopped".to_owned()
        }
        Verdict::WouldStop(None) if state == InstanceState::Stopped => {
            "nothing, since this is a dry run; it is stopped already".to_owned()
        }
        Verdict::Compliant if !judgement.decision.faults.is_empty() => {
            "nothing, since no policy that can be evaluated denies it".to_owned()
        }
        Verdict::Stop => "it would be stopped at once, and its owner told".to_owned(),
        Verdict::Plan(at) => format!(
            "its owner would be told, and it would be stopped at {} unless it complies by then",
            rfc3339(at)
        ),
        Verdict::Warn => "its owner would be told, and it would go on running".to_owned(),
        Verdict::WouldStop(None) => {
            "nothing, since this is a dry run; enforced, it would be stopped".to_owned()
        }
        Verdict::WouldStop(Some(refusal)) => {
            format!(
                "nothing, since this is a dry run; enforced, it could not be stopped: {refusal}"
            )
        }
        Verdict::Exempt => "nothing, since it carries the exception tag".to_owned(),
        Verdict::Compliant => "nothing, since no policy denies it".to_owned(),
        Verdict::AlreadyStopped => {
            "nothing more, since it is stopped; its owner would be told".to_owned()
        }
        Verdict::NotRunning => "nothing, since it does not run".to_owned(),
        Verdict::Gone => "nothing, since it is gone".to_owned(),
        Verdict::NotYet(why) => format!("it would be looked at again: {}", not_yet(why)),
        Verdict::Refuse(refusal) => {
            format!("it would go on running, and its owner be told that: {refusal}")
        }
    }
}

fn not_yet(why: NotYet) -> &'static str {
    match why {
        NotYet::Pending => "it does not run yet",
        NotYet::Unknown => "EC2 does not know it yet",
        NotYet::MayRun => "EC2 may show what was before the start",
        NotYet::TagsDisagree => "DescribeTags and DescribeInstances show different tags",
        NotYet::TooYoung => "it has just started",
    }
}
