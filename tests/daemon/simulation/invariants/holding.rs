//! A held message stays invisible until it is settled, it is settled once, and no process holds
//! more than its settings allow.

use std::collections::BTreeMap;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::result::{has_effect, is_accepted, is_answered, is_slow};

/// A lease can be lost up to this long after a call that failed.
const HANG: Duration = Duration::from_secs(15);

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let rejected = evidence.record.history.rejected();
    let mut steps = Vec::new();
    for (message, calls) in &evidence.by_message {
        if rejected.contains(message) {
            left_alone(evidence, message, calls, violations);
        } else {
            steps.extend(holdings(evidence, message, calls, violations));
        }
    }
    within_room(evidence, steps, violations);
}

/// A message is received (+1) or settled (-1): the place in the order of effects, the process, and
/// the change of the number that it holds.
type Step<'r> = (usize, &'r str, isize);

fn holdings<'r>(
    evidence: &Evidence<'r>,
    message: &str,
    calls: &[&'r Call],
    violations: &mut Vec<String>,
) -> Vec<Step<'r>> {
    let mut holders: BTreeMap<&str, Instant> = BTreeMap::new();
    let mut settled: BTreeMap<&str, Instant> = BTreeMap::new();
    let mut steps = Vec::new();
    for call in calls {
        let (Some(effect), caller) = (call.effect, call.caller.as_str()) else { continue };
        let number = call.number;
        if call.operation == "ReceiveMessage" && is_answered(call) {
            let now = call.acted.unwrap();
            match holders.insert(caller, now) {
                None => steps.push((effect, caller, 1)),
                Some(since) if is_excused(evidence, call, message, since) => {}
                Some(_) => violations.push(format!(
                    "call {number} at {} receives for {caller} what it holds: {message}",
                    evidence.since(now)
                )),
            }
        } else if is_settling(evidence, call, message) && has_effect(call, message) {
            let again = settled.get(caller).is_some_and(|at| *at <= call.at);
            if again && !holders.contains_key(caller) && knows(evidence, calls, (call, message)) {
                violations.push(format!("call {number} settles again what is settled: {message}"));
            }
            if is_accepted(call, message) && holders.remove(caller).is_some() {
                settled.insert(caller, call.answered.unwrap());
                steps.push((effect, caller, -1));
            }
        } else if is_settling(evidence, call, message)
            && lost(call, message)
            && holders.get(caller).is_some_and(|since| *since < call.at)
        {
            holders.remove(caller);
            settled.insert(caller, call.answered.unwrap());
            steps.push((effect, caller, -1));
        } else if is_renewal(evidence, call, message)
            && !holders.contains_key(caller)
            && settled.get(caller).is_none_or(|at| *at <= call.at)
        {
            violations.push(format!("call {number} renews what {caller} does not hold: {message}"));
        }
    }
    steps
}

/// Whether a call deletes, retries or hands back a message. A change of visibility to exactly the
/// visibility timeout is a renewal; one that makes a message visible which was hidden while stops were
/// held settles nothing.
fn is_settling(evidence: &Evidence<'_>, call: &Call, message: &str) -> bool {
    call.operation == "DeleteMessageBatch"
        || (call.operation == "ChangeMessageVisibilityBatch"
            && !is_renewal(evidence, call, message)
            && !evidence.is_release(call, message))
}

fn is_renewal(evidence: &Evidence<'_>, call: &Call, message: &str) -> bool {
    let visibility = i64::try_from(evidence.record.plan.visibility.as_secs()).unwrap();
    call.operation == "ChangeMessageVisibilityBatch"
        && call.timeouts.iter().any(|(id, secs)| id == message && *secs == visibility)
}

/// Whether a call deletes a message that is hidden until a planned stop, which its process called off.
fn is_called_off(evidence: &Evidence<'_>, call: &Call, message: &str) -> bool {
    let Some(id) = evidence.instance_of(message) else { return false };
    let mut called_off = evidence.called_off_by(&call.caller, id);
    call.operation == "DeleteMessageBatch"
        && called_off.any(|one| one.is_accepted && one.publish.answered <= Some(call.at))
}

/// Whether a process must know that it has settled the message of a call.
fn knows(evidence: &Evidence<'_>, calls: &[&Call], (call, message): (&Call, &str)) -> bool {
    was_told(calls, call) && !is_called_off(evidence, call, message)
}

fn was_told(calls: &[&Call], settles: &Call) -> bool {
    let mut before = calls.iter().filter(|call| call.effect < settles.effect);
    before.all(|call| call.operation != "ReceiveMessage" || is_answered(call))
}

fn lost(call: &Call, message: &str) -> bool {
    const LOST: [&str; 3] = ["InvalidParameterValue", "ReceiptHandleIsInvalid", "NotInflight"];
    is_answered(call)
        && call
            .failed
            .iter()
            .any(|(failed, code)| failed == message && LOST.iter().any(|lost| code.contains(lost)))
}

/// Whether a failed or slow call explains that the lease was lost. Any renewal will do, since
/// renewals wait for one another.
fn is_excused(evidence: &Evidence<'_>, again: &Call, message: &str, since: Instant) -> bool {
    let mut calls = evidence.record.calls.iter().filter(|call| {
        call.caller == again.caller && call.at + HANG >= since && call.at <= again.acted.unwrap()
    });
    calls.any(|call| match call.operation.as_str() {
        "ChangeMessageVisibilityBatch" => is_slow(call) || names_failed(call, message),
        "DeleteMessageBatch" => {
            is_slow(call) && call.subjects.iter().any(|subject| subject == message)
        }
        _ => false,
    })
}

fn names_failed(call: &Call, message: &str) -> bool {
    call.failed.iter().any(|(failed, _)| failed == message)
}

fn within_room(evidence: &Evidence<'_>, mut steps: Vec<Step<'_>>, violations: &mut Vec<String>) {
    steps.sort_unstable();
    let mut held: BTreeMap<&str, isize> = BTreeMap::new();
    for (_, process, step) in steps {
        let count = held.entry(process).or_default();
        *count += step;
        if count.unsigned_abs() > evidence.record.plan.room {
            violations.push(format!("{process} holds {count} messages"));
            return;
        }
    }
}

/// Checks that the visibility of a rejected message is not changed. Only a drain may hand it back,
/// since it hands back messages that were not read yet, and may renew its lease until then.
fn left_alone(
    evidence: &Evidence<'_>,
    message: &str,
    calls: &[&Call],
    violations: &mut Vec<String>,
) {
    for call in calls.iter().filter(|call| call.operation == "ChangeMessageVisibilityBatch") {
        let signalled = evidence.process(&call.caller).signalled;
        let unread = signalled.is_some_and(|at| at <= call.at);
        let at_once = call.timeouts.contains(&(message.to_owned(), 0));
        if !(unread && (at_once || is_renewal(evidence, call, message))) {
            violations.push(format!("call {} hides a rejected message: {message}", call.number));
        }
    }
}
