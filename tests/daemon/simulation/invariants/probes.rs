//! During a pause, the first probe comes after 1 s, the next after 2 s, and so on, doubling up to
//! 10 s. After a success, the next pause begins at 1 s again; the success of a call that began
//! before the pause changes nothing.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Outcome};
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::history::Process;
use crate::simulation::names::assumed;
use crate::simulation::result::{is_answered, is_slow};
use crate::simulation::told::is_to_operators;

/// The operations that are checked. A failed DescribeInstances may wait for a permit of its stop
/// before it is tried again, and renewals have intervals of their own.
const OPERATIONS: [&str; 4] =
    ["ReceiveMessage", "DescribeTags", "PublishBatch", "DeleteMessageBatch"];
/// Error codes that pause an operation at once.
const SYSTEMIC: [&str; 4] =
    ["ExpiredToken", "UnauthorizedOperation", "AccessDenied", "AuthorizationError"];
const LONGEST: Duration = Duration::from_secs(10);
/// How long a deletion may wait for a renewal that is due.
const RENEWAL: Duration = Duration::from_millis(2100);
/// How long a notice may wait for those before it, where somebody is subscribed by e-mail.
const MAILS: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(100);

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for process in &evidence.record.history.processes {
        for operation in OPERATIONS {
            if operation == "DescribeTags" && evidence.record.plan.share_percent < 100 {
                continue; // It may wait for the rate limit.
            }
            for target in evidence.targets() {
                let calls: Vec<_> = evidence
                    .calls(operation)
                    .filter(|call| call.caller == process.name)
                    .filter(|call| (&*call.account, &*call.region) == target)
                    .filter(|call| !is_to_operators(call))
                    .collect();
                violations.extend(late_probe(evidence, process, &calls));
            }
        }
    }
}

/// Finds a failure without a probe in time. Other calls may be in flight while one fails, so calls
/// are taken in the order of their answers.
fn late_probe(evidence: &Evidence<'_>, process: &Process, calls: &[&Call]) -> Option<String> {
    let mut ends: Vec<_> = calls.iter().filter_map(|call| Some((call.closed?, *call))).collect();
    ends.sort_by_key(|(closed, call)| (*closed, call.number));
    let (mut failures, mut failing_since) = (0, None);
    for (closed, call) in ends {
        if !is_success(call) {
            failures += 1;
            failing_since.get_or_insert(closed);
        } else if failing_since.is_some_and(|since| call.at >= since) {
            (failures, failing_since) = (0, None);
        }
        let Outcome::Failed { code } = &call.result else { continue };
        if !SYSTEMIC.contains(&code.as_str()) {
            continue;
        }
        let interval = Duration::from_secs(1 << (failures - 1).min(4)).min(LONGEST);
        let due = closed + interval + latest(evidence, call);
        let begins = |next: &Call| next.number > call.number && next.at >= closed;
        let is_in_flight = |next: &Call| next.closed.is_none_or(|end| end > closed);
        if call.operation == "DeleteMessageBatch"
            && waits_for_renewal(evidence, process, closed, due)
        {
            continue;
        }
        if call.operation == "DescribeTags" && waits_for_pace(evidence, process, call, due) {
            continue;
        }
        if assumes_a_role(evidence, call, due) {
            continue;
        }
        let mut others = calls.iter().filter(|next| next.number != call.number && next.at <= due);
        if !others.any(|next| begins(next) || is_in_flight(next)) && due < over(evidence, process) {
            let (number, after) = (call.number, evidence.since(closed));
            return Some(format!("no probe within {interval:?} of call {number}, at {after}"));
        }
    }
    None
}

/// How much later than its interval says a probe may come.
fn latest(evidence: &Evidence<'_>, call: &Call) -> Duration {
    match call.operation.as_str() {
        "DeleteMessageBatch" => RENEWAL,
        "PublishBatch" if evidence.record.plan.mails => MOMENT + MAILS,
        _ => MOMENT,
    }
}

/// Whether a call succeeded. A batch of which every entry failed did not.
fn is_success(call: &Call) -> bool {
    is_answered(call) && (call.failed.is_empty() || call.failed.len() < call.subjects.len())
}

fn waits_for_renewal(
    evidence: &Evidence<'_>,
    process: &Process,
    from: Instant,
    to: Instant,
) -> bool {
    let changes = evidence.calls("ChangeMessageVisibilityBatch");
    let mut slow = changes.filter(|change| change.caller == process.name && is_slow(change));
    slow.any(|change| change.at <= to && change.at + LONGEST >= from)
}

/// Whether the process tried to assume the role of a call's account instead of a probe.
fn assumes_a_role(evidence: &Evidence<'_>, call: &Call, due: Instant) -> bool {
    let mut calls = evidence.calls("AssumeRole").filter(|one| one.caller == call.caller);
    calls.any(|one| {
        assumed(one) == Some(&call.account)
            && one.at <= due
            && one.closed.is_none_or(|closed| Some(closed) >= call.closed)
    })
}

/// Whether EC2 throttled another look in the region of this one, so that the next one waits.
fn waits_for_pace(evidence: &Evidence<'_>, process: &Process, call: &Call, to: Instant) -> bool {
    let mut looks = evidence.calls("DescribeInstances").filter(|look| {
        let is_there = (&look.account, &look.region) == (&call.account, &call.region);
        look.caller == process.name && is_there && is_throttled(look)
    });
    looks.any(|look| look.closed.is_some_and(|at| call.at <= at && at <= to))
}

fn is_throttled(look: &Call) -> bool {
    matches!(&look.result, Outcome::Failed { code } if code == "RequestLimitExceeded")
}

fn over(evidence: &Evidence<'_>, process: &Process) -> Instant {
    let ended = process.ended.as_ref().map(|ended| ended.at);
    process.signalled.or(ended).unwrap_or(evidence.record.settled)
}
