//! What a process hid because stops were held becomes visible soon after the hold has ended.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::result::{has_effect, is_accepted, is_troubled, over};

/// Ten messages become visible at once, and the next ones 0.2 s later.
const SOON: Duration = Duration::from_secs(20);
/// Within which failed calls to SQS delay it, or a message that was being hidden.
const RECOVERY: Duration = Duration::from_secs(30);

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for (message, call, due) in hidden(evidence) {
        if !is_visible_by(evidence, message, (call, due)) {
            let (by, number) = (&call.caller, call.number);
            let due = evidence.since(due);
            violations
                .push(format!("{by} hid {message} by call {number}, and still does at {due}"));
        }
    }
}

/// How many messages had to become visible.
pub(in crate::simulation) fn count(evidence: &Evidence<'_>) -> usize {
    hidden(evidence).len()
}

/// The messages that were hidden, each with the call, and by when it had to become visible.
fn hidden<'r>(evidence: &Evidence<'r>) -> Vec<(&'r str, &'r Call, Instant)> {
    let mut hidden = Vec::new();
    if evidence.record.plan.budget.is_none() {
        return hidden;
    }
    for call in evidence.calls("ChangeMessageVisibilityBatch") {
        for (message, _) in &call.timeouts {
            if is_accepted(call, message)
                && evidence.is_on_hold(call, message)
                && !is_planned(evidence, call, message)
                && let Some(due) = due(evidence, call, message)
            {
                hidden.push((message.as_str(), call, due));
            }
        }
    }
    hidden
}

/// Whether the message may wait for a planned stop instead.
fn is_planned(evidence: &Evidence<'_>, call: &Call, message: &str) -> bool {
    let id = evidence.instance_of(message);
    id.is_some_and(|id| evidence.told_by(&call.caller, id).next().is_some())
}

/// By when a message must be visible that a call hid; `None` if that cannot be told.
fn due(evidence: &Evidence<'_>, call: &Call, message: &str) -> Option<Instant> {
    let process = evidence.process(&call.caller);
    let (region, holds) = (evidence.region_of(message)?, &evidence.holds[&*call.caller]);
    let free = holds.free_from(region, call.answered?)?;
    let due = unless_held_up(evidence, &call.caller, free);
    let ended = process.signalled.or(process.ended.as_ref().map(|ended| ended.at));
    let works = due < ended.unwrap_or(evidence.record.settled);
    let moment = Duration::from_millis(1);
    let is_held_again = holds.may_hold(region, (free + moment, due));
    (works && !is_held_again).then_some(due)
}

/// By when what a process hid must be visible whose hold ended at this moment: soon, or after the
/// calls to SQS that fail meanwhile.
fn unless_held_up(evidence: &Evidence<'_>, process: &str, free: Instant) -> Instant {
    let mut due = free + SOON;
    for call in evidence.calls("ChangeMessageVisibilityBatch") {
        let is_near = call.at + RECOVERY >= free && call.at <= due + RECOVERY;
        if call.caller == process && is_near && is_troubled(call) {
            due = due.max(over(call) + RECOVERY);
        }
    }
    due
}

/// Whether a message became visible, or was received, hidden anew or deleted, after this call.
fn is_visible_by(evidence: &Evidence<'_>, message: &str, (call, due): (&Call, Instant)) -> bool {
    let mut later = evidence.by_message[message].iter().filter(|one| {
        one.effect > call.effect && has_effect(one, message) && one.acted <= Some(due)
    });
    later.next().is_some()
}
