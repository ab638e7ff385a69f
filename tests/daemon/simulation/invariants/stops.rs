//! No instance is stopped wrongly: before each stop is a look, at most 5 s old, that shows a
//! running violator.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Service};

use super::planned::may_be_stopped;
use crate::simulation::evidence::Evidence;
use crate::simulation::history::Nature;
use crate::simulation::look::Look;
use crate::simulation::plan::{Change, Instance};
use crate::simulation::policies::Policies;
use crate::simulation::policies::verdict::Verdict;
use crate::world::TAG;

const FRESHNESS: Duration = Duration::from_secs(5);

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let instances = &evidence.record.plan.instances;
    for (number, instance) in instances.iter().enumerate() {
        for call in evidence.by_instance.get(instance.id.as_str()).into_iter().flatten() {
            if let Some(wrong) = wrong_call(evidence, number, call) {
                violations.push(format!("call {}: {wrong}: {}", call.number, instance.id));
            }
        }
    }
}

fn wrong_call(evidence: &Evidence<'_>, number: usize, call: &Call) -> Option<&'static str> {
    let plan = &evidence.record.plan;
    let instance = &plan.instances[number];
    if call.service == Service::Ec2 && call.region != instance.region {
        return Some("calls a region in which the instance is not");
    }
    if plan.events.iter().all(|event| event.instance != number) {
        return Some("concerns an instance that no valid event names");
    }
    if call.operation != "StopInstances" {
        return None;
    }
    let is_spared = evidence.policies().is_none_or(Policies::all_honour_the_tag);
    if is_spared && is_always_exempt(evidence, number) && !is_over(evidence, number, call) {
        return Some("stops an instance that always had the tag");
    }
    wrong_look(evidence, number, instance, call)
}

fn is_always_exempt(evidence: &Evidence<'_>, number: usize) -> bool {
    let untags = |change: Change| change == Change::Untag;
    let mut changes = evidence.record.history.changes.iter();
    evidence.record.plan.instances[number].exempt
        && !changes.any(|changed| changed.instance == number && untags(changed.change))
}

/// Whether the instance was terminated before the call. It has no tags then, and cannot be stopped,
/// although a look that lags behind may show it as running.
fn is_over(evidence: &Evidence<'_>, number: usize, stop: &Call) -> bool {
    let mut changes = evidence.record.history.changes.iter();
    changes.any(|changed| {
        changed.instance == number
            && matches!(changed.change, Change::Terminate | Change::Forget)
            && changed.at <= stop.at
    })
}

/// What is wrong with the looks before a stop. One look that allows the stop is enough, since other
/// enforcers of the process may have looked later.
fn wrong_look(
    evidence: &Evidence<'_>,
    number: usize,
    instance: &Instance,
    stop: &Call,
) -> Option<&'static str> {
    let looks = evidence.looks_at(&instance.id);
    let before = looks.filter(|look| look.caller() == stop.caller && look.ended() <= stop.at);
    let mut wrong = "stops without a look";
    for look in before {
        let Some(page) = look.page(&instance.id) else { continue };
        let shown = page.seen_tags.get(&instance.id).is_some_and(|keys| has_tag(keys));
        let hidden = instance.unseen_by.is_some() || evidence.is_struck(page, Nature::Lagging);
        let tagged = evidence.is_tagged(number, page.acted.unwrap()) == Some(true) && !hidden;
        wrong = if stop.at - look.at() > FRESHNESS {
            "stops upon an old look"
        } else if evidence.policies().is_some() {
            let runs = may_run(evidence, &instance.id, look);
            if !is_enforced(evidence, instance, look) || !runs {
                "stops although no enforced policy is violated by both readings"
            } else if !may_be_stopped(evidence, instance, look, stop) {
                "stops although its owner was not told, or before the time that was told"
            } else {
                return None;
            }
        } else if shown || tagged {
            "stops although the look showed the tag"
        } else if !may_run(evidence, &instance.id, look) {
            "stops an instance that the look did not show as running"
        } else {
            return None;
        };
    }
    Some(wrong)
}

/// Whether an enforced policy is violated by a look and by the look at the tags before it.
fn is_enforced(evidence: &Evidence<'_>, instance: &Instance, look: &Look<'_>) -> bool {
    let ended = (look.ended(), look.ended());
    let judged = evidence.judged(&instance.id, look.caller(), ended);
    judged.iter().any(|judged| judged.verdict == Verdict::Enforce)
}

/// Whether a look showed an instance as running, or as stopped while one of its events was so young
/// that the look may have lagged behind.
fn may_run(evidence: &Evidence<'_>, id: &str, look: &Look<'_>) -> bool {
    match look.state(id) {
        Some("running") => true,
        Some("stopping" | "stopped") => evidence.is_recent(id, look.caller(), look.ended()),
        _ => false,
    }
}

pub(super) fn has_tag(keys: &[String]) -> bool {
    keys.iter().any(|key| key == TAG)
}
