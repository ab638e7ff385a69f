//! Every notice is true, none is missing, and none is sent twice without need.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Outcome};
use tokio::time::Instant;

use super::budget;
use super::planned::{is_right_time, is_rightly_called_off};
use crate::simulation::evidence::Evidence;
use crate::simulation::history::{Nature, Process};
use crate::simulation::plan::{Change, Instance, Kind};
use crate::simulation::policies::verdict::Verdict;
use crate::simulation::result::{count_accepted, has_effect, is_answered};
use crate::simulation::told::{called_off, is_end, planned};

/// The greatest age of the look before a stop. A tag that is added after the look is not seen.
const LOOK: Duration = Duration::from_secs(5);

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for publish in &evidence.publishes {
        for text in &publish.subjects {
            if !is_true(evidence, publish, text) {
                violations
                    .push(format!("call {} publishes what is not true: {text}", publish.number));
            }
        }
    }
    for number in 0..evidence.record.plan.instances.len() {
        if let Some((notices, events)) = too_many(evidence, number) {
            let id = &evidence.record.plan.instances[number].id;
            violations.push(format!("{notices} notices of {events} events of {id}"));
        }
    }
    unannounced(evidence, violations);
}

fn is_true(evidence: &Evidence<'_>, publish: &Call, text: &str) -> bool {
    let Some((id, what)) = text.strip_prefix("EC2 ").and_then(|text| text.split_once(' ')) else {
        return false;
    };
    let Some(since) = held_since(evidence, publish, id) else { return false };
    let (what, lines) = what.split_at(what.find('\n').unwrap_or(what.len()));
    if !names_its_policies(evidence, publish, (id, what, lines), since) {
        return false;
    }
    let instance = evidence.record.plan.instances.iter().find(|instance| instance.id == id);
    let kind = instance.map(|instance| instance.kind);
    match what {
        "Stopped" => was_seen_stopped(evidence, publish, id, since),
        "NOT stopped: stop protection" => kind == Some(Kind::Protected),
        "NOT stopped: one-time spot instance" => kind == Some(Kind::OneTimeSpot),
        "NOT stopped: instance-store root device" => kind == Some(Kind::InstanceStore),
        "NOT stopped: managed by an AWS service" => kind == Some(Kind::Managed),
        "NOT stopped: EC2 keeps failing (InternalError)"
        | "NOT stopped: EC2 keeps failing (DispatchFailure)"
        | "NOT stopped: EC2 keeps failing (SomethingNew)" => {
            instance.is_some_and(|instance| was_poisoned(evidence, instance))
        }
        "NOT stopped: access denied" => is_denied(evidence, publish, id, since),
        "NOT stopped: budget" => budget::is_given_up(evidence, publish, id, since),
        // Their times and policies were compared.
        _ if planned(text).is_some() || called_off(text).is_some() => evidence.policies().is_some(),
        _ => what.starts_with("violates ") && evidence.policies().is_some(),
    }
}

/// Whether a notice names exactly the policies that the instance violated by a judgement of the
/// process: enforced ones among them, or else in a warning. The notice that EC2 keeps failing may be
/// without a judgement.
fn names_its_policies(
    evidence: &Evidence<'_>,
    publish: &Call,
    (id, what, lines): (&str, &str, &str),
    since: Instant,
) -> bool {
    if evidence.policies().is_none() {
        return lines.is_empty();
    }
    if let Some((_, why)) = called_off(&format!("EC2 {id} {what}")) {
        return is_rightly_called_off(evidence, publish, (id, why, lines), since);
    }
    let warned = what.strip_prefix("violates ");
    let stop = planned(&format!("EC2 {id} {what}")).map(|(_, stop)| stop);
    let judged = evidence.judged(id, &publish.caller, (since, publish.at));
    let mut judged = judged.iter().filter(|one| one.lines() == lines);
    judged.any(|one| match (warned, stop) {
        (Some(policies), _) => one.verdict == Verdict::Warn && one.named() == policies,
        (None, Some(stop)) => is_right_time(evidence, publish, one, (id, stop)),
        (None, None) => one.verdict == Verdict::Enforce,
    }) || (what.starts_with("NOT stopped: EC2 keeps failing") && lines.is_empty())
}

/// Whether EC2 failed for this very instance.
fn was_poisoned(evidence: &Evidence<'_>, instance: &Instance) -> bool {
    let calls = evidence.by_instance.get(instance.id.as_str());
    calls.into_iter().flatten().any(|call| evidence.is_struck(call, Nature::Poison))
}

/// Whether `access denied` is true. The stop of this instance alone must have been denied; and
/// either the role had stopped another instance shortly before, or the process had held the message
/// for the time within which a role may be repaired.
fn is_denied(evidence: &Evidence<'_>, publish: &Call, id: &str, since: Instant) -> bool {
    let plan = &evidence.record.plan;
    let is_known = |call: &Call| {
        call.caller == publish.caller && call.answered.is_some_and(|at| at <= publish.at)
    };
    let is_denial = |call: &Call| {
        let denied = |code: &str| code == "UnauthorizedOperation";
        call.operation == "StopInstances"
            && matches!(&call.result, Outcome::Failed { code } if denied(code))
    };
    let calls = evidence.by_instance.get(id).into_iter().flatten();
    let denials =
        calls.filter(|call| is_known(call) && is_denial(call) && call.answered >= Some(since));
    let denials: Vec<_> = denials.collect();
    let Some(last) = denials.iter().filter_map(|call| call.answered).max() else { return false };
    let target = plan.instances.iter().find(|one| one.id == id).map(Instance::target);
    let mut proofs = evidence.calls("StopInstances").filter(|call| {
        is_known(call)
            && Some((&*call.account, &*call.region)) == target
            && is_answered(call)
            && !call.seen_states.is_empty()
    });
    let proven = proofs.any(|proof| {
        proof.answered.is_some_and(|at| at <= last && last - at <= plan.denial_timeout)
    });
    let overdue = since + plan.denial_timeout <= publish.at;
    denials.iter().any(|call| call.subjects.len() == 1) && (proven || overdue)
}

/// Since when the process has held a message about the instance.
fn held_since(evidence: &Evidence<'_>, publish: &Call, id: &str) -> Option<Instant> {
    let copies = evidence.all_copies().filter(|(_, _, instance)| instance.id == id);
    let held = copies.filter_map(|(sent, ..)| {
        let received = evidence.received(&sent.message, &publish.caller)?;
        let calls = evidence.by_message.get(sent.message.as_str())?.iter();
        // A deletion with a stale receipt handle has no effect, and is answered with success.
        let mut deletes = calls.filter(|call| {
            call.operation == "DeleteMessageBatch"
                && call.caller == publish.caller
                && has_effect(call, &sent.message)
        });
        let gone = deletes.any(|call| call.acted.is_some_and(|acted| acted < publish.at));
        (received <= publish.at && !gone).then_some(received)
    });
    held.min()
}

/// Whether EC2 had answered the process that the instance was stopped: to a stop, or to a look long
/// after its event, since a look soon after it may have lagged behind the start.
fn was_seen_stopped(evidence: &Evidence<'_>, publish: &Call, id: &str, since: Instant) -> bool {
    let mut calls = evidence.by_instance.get(id).into_iter().flatten();
    calls.any(|call| {
        let in_between = |at: Instant| at >= since && at <= publish.at;
        let state = call.seen_states.get(id).map(String::as_str);
        let is_late = |at| evidence.is_late(id, &call.caller, at);
        call.caller == publish.caller
            && call.answered.is_some_and(in_between)
            && matches!(state, Some("stopping" | "stopped"))
            && (call.operation == "StopInstances" || call.answered.is_some_and(is_late))
    })
}

/// The numbers of notices and events, if there are too many notices. One more than events is
/// excused for each publish that was not answered, and for each other process that received the
/// event. Where the instance was refused, each message is judged for itself, and counts as an
/// event.
fn too_many(evidence: &Evidence<'_>, number: usize) -> Option<(usize, usize)> {
    let id = &evidence.record.plan.instances[number].id;
    let about = format!("EC2 {id} ");
    let refused = format!("{about}NOT stopped");
    let is_refused =
        evidence.record.notices.iter().any(|notice| notice.message.starts_with(&refused));
    let (mut keys, mut processes) = (BTreeSet::new(), BTreeSet::new());
    for (sent, copy, _) in evidence.all_copies().filter(|(_, copy, _)| copy.instance == number) {
        keys.insert(if is_refused { &sent.message } else { &copy.key });
        let calls = evidence.by_message.get(sent.message.as_str()).into_iter().flatten();
        let receives = calls.filter(|call| call.operation == "ReceiveMessage");
        processes.extend(receives.map(|call| call.caller.as_str()));
    }
    let mut in_doubt = 0;
    for publish in evidence.publishes.iter().filter(|publish| !is_answered(publish)) {
        if publish.effect.is_some() {
            in_doubt += publish.subjects.iter().filter(|text| text.starts_with(&about)).count();
        }
    }
    let notices = evidence.record.notices.iter();
    // Those of stops to come, and that these are called off, are counted apart.
    let notices = notices.filter(|notice| is_end(&notice.message, id)).count();
    (notices > keys.len() * processes.len().max(1) + in_doubt).then_some((notices, keys.len()))
}

/// Checks that there is a notice of every stop, from the same process or from another one that
/// found the instance stopped.
fn unannounced(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for stop in evidence.calls("StopInstances").filter(|stop| is_answered(stop)) {
        for id in stop.stopped.iter().filter(|id| !is_announced(evidence, stop, id)) {
            violations
                .push(format!("there is no notice of the stop of {id} by call {}", stop.number));
        }
    }
}

fn is_announced(evidence: &Evidence<'_>, stop: &Call, id: &str) -> bool {
    let text = format!("EC2 {id} Stopped");
    let is_text = |subject: &str| subject.lines().next() == Some(&text);
    let mut publishes = evidence.publishes.iter().filter(|publish| publish.effect > stop.effect);
    if publishes.any(|publish| count_accepted(publish, is_text) > 0) {
        return true;
    }
    let process = evidence.process(&stop.caller);
    let may_skip = process.signalled.is_some_and(|at| at < evidence.record.settled)
        || was_killed(process)
        || was_retried_elsewhere(evidence, stop, &text);
    if may_skip && is_spared_later(evidence, stop, id) {
        return true;
    }
    let mut changes = evidence.record.history.changes.iter();
    may_skip
        && changes.any(|one| {
            evidence.record.plan.instances[one.instance].id == id
                && one.at + LOOK >= stop.at
                && matches!(one.change, Change::Tag | Change::Terminate | Change::Forget)
        })
}

/// Whether another process judged the instance after a stop, by policies that it did not violate
/// any more.
fn is_spared_later(evidence: &Evidence<'_>, stop: &Call, id: &str) -> bool {
    let during = (stop.at, evidence.record.settled);
    let processes = evidence.record.history.processes.iter();
    let mut others = processes.filter(|process| process.name != stop.caller);
    others.any(|process| {
        let judged = evidence.judged(id, &process.name, during);
        judged.iter().any(|one| one.verdict != Verdict::Enforce)
            || evidence.was_exempt(id, &process.name, during)
    })
}

/// Whether SNS called this notice invalid, so that its message was retried and received by another
/// process.
fn was_retried_elsewhere(evidence: &Evidence<'_>, stop: &Call, text: &str) -> bool {
    let is_refusal =
        |result: &Outcome| matches!(result, Outcome::Failed { code } if code == "InvalidParameter");
    let refused = evidence.publishes.iter().any(|publish| {
        publish.caller == stop.caller
            && publish.subjects.iter().any(|subject| subject.lines().next() == Some(text))
            && is_refusal(&publish.result)
    });
    let copies = evidence.copies().filter(|(_, _, instance)| text.contains(&instance.id));
    let mut calls = copies.filter_map(|(sent, ..)| evidence.by_message.get(sent.message.as_str()));
    refused
        && calls.any(|calls| {
            let mut receives = calls.iter().filter(|call| call.operation == "ReceiveMessage");
            receives.any(|call| call.caller != stop.caller && call.effect > stop.effect)
        })
}

fn was_killed(process: &Process) -> bool {
    process.signalled.is_none() && process.ended.is_some()
}
