//! At the end of a world all messages are settled, every violator is stopped, and no rejected
//! message is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Instance, State};
use tokio::time::Instant;

use super::stops::has_tag;
use crate::simulation::evidence::Evidence;
use crate::simulation::history::Nature;
use crate::simulation::plan::Kind;
use crate::simulation::policies::verdict::Verdict;
use crate::simulation::result::{count_accepted, is_answered, is_slow};

/// The most receives of one message that the faults of a world explain.
const MANY: usize = 10;

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    messages(evidence, violations);
    receives(evidence, violations);
    let lost = evidence.record.plan.lost();
    for number in 0..evidence.record.plan.instances.len() {
        if goes_on(evidence, number) && !lost.contains(&number) {
            let id = &evidence.record.plan.instances[number].id;
            violations.push(format!("a violator goes on running: {id}"));
        }
    }
}

fn messages(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let rejected = evidence.record.history.rejected();
    let (left, dead) = (&evidence.record.messages, &evidence.record.dead_letters);
    let there: BTreeSet<_> = left.iter().chain(dead).map(|message| message.id.as_str()).collect();
    for lost in rejected.difference(&there) {
        violations.push(format!("a rejected message is lost: {lost}"));
    }
    let lost = evidence.record.history.about(&evidence.record.plan.lost());
    let stays = |id: &str| rejected.contains(id) || lost.contains(id) || evidence.is_stranded(id);
    let stuck = left.iter().chain(dead.iter().filter(|_| !leases_fail(evidence)));
    for stuck in stuck.map(|message| &message.id).filter(|id| !stays(id)) {
        violations.push(format!("a valid message is not settled: {stuck}"));
    }
}

fn receives(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let lost = evidence.record.plan.lost();
    for (sent, copy, _) in evidence.copies() {
        if lost.contains(&copy.instance) {
            continue;
        }
        let calls = evidence.by_message.get(sent.message.as_str()).into_iter().flatten();
        let is_one = |call: &&&Call| call.operation == "ReceiveMessage" && is_answered(call);
        let receives = calls.filter(is_one).count();
        if receives > most_receives(evidence) && !leases_fail(evidence) {
            violations.push(format!("{} was received {receives} times", sent.message));
        }
    }
}

/// In a world with graces, a message is hidden several times and told of by several processes; with
/// members, it is put off several times; with a budget, it is received each time that a hold has ended.
fn most_receives(evidence: &Evidence<'_>) -> usize {
    const HIDINGS: usize = 6;
    if let Some(budget) = evidence.record.plan.budget {
        return usize::try_from(budget.max_receives).unwrap();
    }
    let put_offs = if evidence.record.plan.members.is_some() { HIDINGS } else { 0 };
    let Some(policies) = evidence.policies() else { return MANY + put_offs };
    let processes = evidence.record.history.processes.len();
    if policies.give_grace() { MANY + HIDINGS + processes } else { MANY }
}

/// Whether leases were lost, each of which costs a receive: renewals failed or, with a short
/// visibility timeout, deletions hung for longer than it.
pub(super) fn leases_fail(evidence: &Evidence<'_>) -> bool {
    const HANG: Duration = Duration::from_secs(10);
    let is_short = evidence.record.plan.visibility < HANG;
    let deletes = evidence.calls("DeleteMessageBatch").filter(|_| is_short);
    let calls = evidence.calls("ChangeMessageVisibilityBatch").chain(deletes);
    calls.filter(|call| is_slow(call)).nth(1).is_some()
}

/// Whether an instance runs without the tag although its owner did not change it since its last
/// event, and lost leases do not excuse it.
fn goes_on(evidence: &Evidence<'_>, number: usize) -> bool {
    let record = evidence.record;
    let planned = &record.plan.instances[number];
    let Some((event, last)) = last_event(evidence, number) else { return false };
    let touched = |at: Instant| at >= last;
    let mut changes = record.history.changes.iter().filter(|one| one.instance == number);
    let stoppable = matches!(planned.kind, Kind::Plain | Kind::PersistentSpot);
    let Some(instance) = record.instances.iter().find(|one| one.id == planned.id) else {
        return false;
    };
    let denied = format!("EC2 {} NOT stopped: access denied", planned.id);
    stoppable
        && instance.state == State::Running
        && is_violator(evidence, instance, last)
        && !changes.any(|one| touched(one.at))
        && record.notices.iter().all(|notice| !notice.message.starts_with(&denied))
        && !(leases_fail(evidence) && is_dead(evidence, event))
        && !is_left_by_the_budget(evidence, &planned.id, last)
        && !seemed_exempt(evidence, &planned.id, last)
        && !(is_old(evidence, event) && seemed_stopped(evidence, &planned.id, last))
}

/// Whether stops were held until the message of an instance had waited as long as it may, so that its
/// owner was told, or are held still, as a process knew that has ended.
pub(super) fn is_left_by_the_budget(evidence: &Evidence<'_>, id: &str, since: Instant) -> bool {
    let told = format!("EC2 {id} NOT stopped: budget");
    let mut publishes = evidence.publishes.iter().filter(|one| one.at >= since);
    let mut left = evidence.record.messages.iter();
    publishes.any(|one| count_accepted(one, |text| text.starts_with(&told)) > 0)
        || left
            .any(|one| evidence.instance_of(&one.id) == Some(id) && evidence.is_stranded(&one.id))
}

/// Whether an instance violates an enforced policy: in a world with policies by all that was seen
/// of it since this moment.
fn is_violator(evidence: &Evidence<'_>, instance: &Instance, since: Instant) -> bool {
    if evidence.policies().is_none() {
        return !instance.tags.contains_key(crate::world::TAG);
    }
    let during = (since, evidence.record.settled);
    let processes = &evidence.record.history.processes;
    // A look at the tags alone may have ended the work, as after a reload.
    let mut exempting = processes.iter();
    if exempting.any(|one| evidence.was_exempt(&instance.id, &one.name, during)) {
        return false;
    }
    let judged = processes.iter().flat_map(|one| evidence.judged(&instance.id, &one.name, during));
    let mut judged = judged.peekable();
    judged.peek().is_some() && judged.all(|one| one.verdict == Verdict::Enforce)
}

/// Whether an event claims to be so old that no answer can lag behind the start that it tells of.
fn is_old(evidence: &Evidence<'_>, event: &str) -> bool {
    let mut events = evidence.record.plan.events.iter();
    events.any(|one| event.starts_with(&one.id) && one.age >= Duration::from_mins(5))
}

/// Whether an answer that lagged behind showed the instance as stopped after this moment.
fn seemed_stopped(evidence: &Evidence<'_>, id: &str, since: Instant) -> bool {
    let mut calls = evidence.by_instance.get(id).into_iter().flatten();
    calls.any(|call| {
        call.answered.is_some_and(|at| at >= since)
            && evidence.is_struck(call, Nature::Lagging)
            && call.seen_states.get(id).is_some_and(|state| state.starts_with("stop"))
    })
}

/// Whether an answer that lagged behind showed the exception tag after this moment.
fn seemed_exempt(evidence: &Evidence<'_>, id: &str, since: Instant) -> bool {
    let mut calls = evidence.by_instance.get(id).into_iter().flatten();
    calls.any(|call| {
        call.answered.is_some_and(|at| at >= since)
            && evidence.is_struck(call, Nature::Lagging)
            && call.seen_tags.get(id).is_some_and(|keys| has_tag(keys))
    })
}

/// Whether all messages of an event are in the dead-letter queue.
fn is_dead(evidence: &Evidence<'_>, event: &str) -> bool {
    let dead = &evidence.record.dead_letters;
    let mut copies = evidence.copies().filter(|(_, copy, _)| copy.key == event);
    copies.all(|(sent, ..)| dead.iter().any(|letter| letter.id == sent.message))
}

/// The key of the instance's last event, and when its first message was sent.
fn last_event<'r>(evidence: &Evidence<'r>, number: usize) -> Option<(&'r str, Instant)> {
    let mut keys = BTreeSet::new();
    let copies = evidence.copies().filter(|(_, copy, _)| copy.instance == number);
    let firsts = copies.filter(|(_, copy, _)| keys.insert(&copy.key));
    firsts.map(|(sent, copy, _)| (copy.key.as_str(), sent.at)).last()
}
