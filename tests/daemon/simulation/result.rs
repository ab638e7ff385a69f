//! How a call ended, for its caller and for AWS.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Outcome};
use tokio::time::Instant;

pub(super) fn is_answered(call: &Call) -> bool {
    call.result == Outcome::Answered
}

/// Whether this entry of a batch took effect, and the caller got the answer that says so.
pub(super) fn is_accepted(call: &Call, subject: &str) -> bool {
    is_answered(call) && has_effect(call, subject)
}

/// Whether this entry of a batch took effect. A deletion with a stale receipt handle did not,
/// although SQS answers it with success.
pub(super) fn has_effect(call: &Call, subject: &str) -> bool {
    is_confirmed(call, subject) && !call.kept.iter().any(|kept| kept == subject)
}

/// Whether the caller got the answer that this entry took effect, whether it did or not.
pub(super) fn is_told_of(call: &Call, subject: &str) -> bool {
    is_answered(call) && is_confirmed(call, subject)
}

fn is_confirmed(call: &Call, subject: &str) -> bool {
    call.effect.is_some() && call.failed.iter().all(|(failed, _)| failed != subject)
}

/// How many of the entries with such a text the caller knows to have succeeded.
pub(super) fn count_accepted(call: &Call, is_meant: impl Fn(&str) -> bool) -> usize {
    if !is_answered(call) || call.effect.is_none() {
        return 0;
    }
    let entries = call.subjects.iter().filter(|subject| is_meant(subject)).count();
    entries - call.failed.iter().filter(|(failed, _)| is_meant(failed)).count()
}

/// How many notices SNS published upon a call, whether the caller got its answer or not.
pub(super) fn count_published(call: &Call) -> usize {
    if call.effect.is_some() { call.subjects.len() - call.failed.len() } else { 0 }
}

/// When the caller stopped waiting for the answer.
pub(super) fn over(call: &Call) -> Instant {
    let timeout = match call.operation.as_str() {
        "StopInstances" => Duration::from_mins(1),
        "ReceiveMessage" => Duration::from_secs(30),
        _ => Duration::from_secs(10),
    };
    let gives_up = call.at + timeout;
    match call.result {
        Outcome::Hung => gives_up,
        _ => call.closed.unwrap_or(gives_up).min(gives_up),
    }
}

/// Whether a call failed, in whole or in part, or was answered late.
pub(super) fn is_troubled(call: &Call) -> bool {
    is_slow(call) || !call.failed.is_empty()
}

/// Whether a call failed as a whole, or was answered late.
pub(super) fn is_slow(call: &Call) -> bool {
    const SOON: Duration = Duration::from_secs(1);
    !is_answered(call) || call.answered.is_some_and(|answered| answered - call.at > SOON)
}
