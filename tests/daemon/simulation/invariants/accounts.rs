//! Each instance is called in its own account and region, with the credentials of that account. No
//! call is made for an account that does not count. While an account cannot be called, its messages
//! stay in the queue, and no owner is told that EC2 keeps failing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Service};

use crate::simulation::evidence::Evidence;
use crate::simulation::names::assumed;
use crate::simulation::policies::ACCOUNT;
use crate::simulation::result::is_slow;
use crate::simulation::stays::stays;

/// By then after the begin of an outage the messages of its account are put off.
const PUT_OFF: Duration = Duration::from_mins(2);
/// How many messages of an account and region a process keeps to probe with: one for each task that
/// evaluates or enforces, and one that has just been received.
const PROBES: usize = 3 + 2 + 1;

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    calls(evidence, violations);
    unreachable(evidence, violations);
    untold(evidence, violations);
    held(evidence, violations);
}

fn calls(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let instances = evidence.record.plan.instances.iter();
    let known: BTreeSet<_> = instances.map(|one| one.id.as_str()).collect();
    for call in &evidence.record.calls {
        let account = if call.service == Service::Sts { assumed(call) } else { None };
        let account = account.unwrap_or(&call.account);
        if !evidence.record.plan.counts(account) {
            let (number, operation) = (call.number, &call.operation);
            violations.push(format!("call {number} is a {operation} for the account {account:?}"));
        }
        if call.service != Service::Ec2 {
            continue;
        }
        for id in call.subjects.iter().filter(|id| !known.contains(id.as_str())) {
            let number = call.number;
            violations.push(format!("call {number} names an instance that is not there: {id}"));
        }
    }
}

/// Checks that the messages of accounts that cannot be called to the end are in the queue.
fn unreachable(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let record = evidence.record;
    let left: BTreeSet<_> = record.messages.iter().map(|one| one.id.as_str()).collect();
    let unreachable = record.plan.unreachable();
    // What a change of tags is about may be no matter of any policy.
    for (sent, ..) in evidence.copies().filter(|(_, copy, _)| unreachable.contains(&copy.instance))
    {
        let message = sent.message.as_str();
        if !left.contains(message) && !was_called(evidence, message) {
            violations.push(format!("a message of a broken account is lost: {message}"));
        }
    }
}

/// Whether a call about the instance of a message was answered, as before its region was switched
/// off.
fn was_called(evidence: &Evidence<'_>, message: &str) -> bool {
    evidence.instance_of(message).is_some_and(|id| evidence.looks_at(id).next().is_some())
}

/// Checks that no owner of an instance in a member account is told that EC2 keeps failing.
fn untold(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for publish in &evidence.publishes {
        for text in publish.subjects.iter().filter(|text| text.contains("EC2 keeps failing")) {
            let id = text.strip_prefix("EC2 ").and_then(|text| text.split(' ').next());
            let mut instances = evidence.record.plan.instances.iter();
            if !instances.any(|one| Some(&*one.id) == id && one.account == ACCOUNT) {
                violations.push(format!("call {} tells of a member: {text}", publish.number));
            }
        }
    }
}

/// Checks that a process keeps few messages of an account and region that it cannot look into.
fn held(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    if evidence.record.plan.members.is_none() || settling_fails(evidence) {
        return;
    }
    let mut by_target: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (sent, _, instance) in evidence.all_copies() {
        by_target.entry(instance.target()).or_default().extend(stays(evidence, sent));
    }
    for process in &evidence.record.history.processes {
        for (target, stays) in &by_target {
            for (from, to) in evidence.outages.of(&process.name, *target, "DescribeTags") {
                let at = *from + PUT_OFF;
                let held = stays.iter().filter(|stay| {
                    let is_there = |(by, since)| by == process.name && since <= at;
                    stay.holder.is_some_and(is_there) && stay.end.is_none_or(|(end, _)| end > at)
                });
                let held = held.count();
                if held > PROBES && to.is_none_or(|to| to > at) {
                    let (name, at) = (&process.name, evidence.since(at));
                    violations.push(format!("{name} holds {held} messages of {target:?} at {at}"));
                }
            }
        }
    }
}

fn settling_fails(evidence: &Evidence<'_>) -> bool {
    let mut calls = evidence.record.calls.iter().filter(|call| call.service == Service::Sqs);
    calls.any(|call: &Call| call.operation != "ReceiveMessage" && is_slow(call))
}
