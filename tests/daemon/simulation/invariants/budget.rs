//! With a budget, no process stops more instances within a window than it allows, in one region; no
//! stop begins while a hold is known, or a minute after a tag was set that could be read; a process
//! begins a hold only where its budget is used up; and what it has hidden becomes visible soon after
//! the hold has ended. What is left at the end is checked in `end`.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Outcome};
use tokio::time::Instant;

use crate::simulation::budget::Budget;
use crate::simulation::evidence::Evidence;
use crate::simulation::history::{Nature, Process};
use crate::simulation::holds::{Holds, binds, target};
use crate::simulation::plan::Change;
use crate::simulation::policies::ACCOUNT;
use crate::simulation::result::{is_troubled, over};
use crate::simulation::told::is_to_operators;

pub(super) const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];
/// By then after a tag was set, each process has read it.
const MINUTE: Duration = Duration::from_mins(1);
/// How long the call may take that reads it.
const CALL: Duration = Duration::from_secs(10);
/// At how many receives before the dead-letter queue the owner is told, and how long before the
/// retention of 4 days ends.
const RECEIVES_LEFT: usize = 3;
const KEPT: Duration = Duration::from_hours(3 * 24);
/// Errors upon which EC2 may have stopped the instances all the same.
const IN_DOUBT: [&str; 4] = ["InternalError", "ServiceUnavailable", "", "PanicOfTheCaller"];

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for part in parts(evidence) {
        part.within_the_window(violations);
        part.bound_by_holds(violations);
        part.bound_within_a_minute(violations);
    }
    for process in &evidence.record.history.processes {
        trips(evidence, process, violations);
    }
    operators(evidence, violations);
}

/// How often each part of this invariant was checked.
#[derive(Debug, Default)]
pub(in crate::simulation) struct Judged {
    pub stops: usize,
    pub trips: usize,
    /// Holds that a person removed, and a process saw it.
    pub resumed: usize,
    /// Owners who were told that their instance is not stopped.
    pub given_up: usize,
}

pub(in crate::simulation) fn count(evidence: &Evidence<'_>) -> Judged {
    let mut judged = Judged::default();
    for part in parts(evidence) {
        judged.stops += part.stops.len();
        judged.resumed += part.holds.ends(part.region).len();
        let trips = part.holds.trips.iter();
        judged.trips += trips.filter(|(_, target)| binds(target, part.region)).count();
    }
    let texts = evidence.publishes.iter().flat_map(|one| &one.subjects);
    judged.given_up = texts.filter(|text| text.contains(" NOT stopped: budget")).count();
    judged
}

/// Whether a violator may be told of and given up: its message had been received so often, or was so
/// old, while stops were held.
pub(super) fn is_given_up(
    evidence: &Evidence<'_>,
    publish: &Call,
    id: &str,
    since: Instant,
) -> bool {
    let Some(budget) = evidence.record.plan.budget else { return false };
    let holds = &evidence.holds[&*publish.caller];
    let mut copies = evidence.all_copies().filter(|(_, _, instance)| instance.id == id);
    copies.any(|(sent, _, instance)| {
        let calls = evidence.by_message.get(sent.message.as_str()).into_iter().flatten();
        let receives = calls.filter(|call| {
            call.operation == "ReceiveMessage" && call.acted.is_some_and(|at| at <= publish.at)
        });
        let is_last = receives.count() + RECEIVES_LEFT >= budget.max_receives as usize;
        holds.may_hold(instance.region, (since, publish.at))
            && (is_last || sent.at + KEPT <= publish.at)
    })
}

/// The stops of a process in one region.
pub(super) struct Part<'e, 'r> {
    pub evidence: &'e Evidence<'r>,
    pub budget: Budget,
    pub process: &'r Process,
    pub region: &'static str,
    pub holds: &'e Holds,
    pub stops: Vec<&'r Call>,
}

pub(super) fn parts<'e, 'r>(evidence: &'e Evidence<'r>) -> Vec<Part<'e, 'r>> {
    let Some(budget) = evidence.record.plan.budget else { return Vec::new() };
    let processes = evidence.record.history.processes.iter();
    let parts = processes.flat_map(|process| REGIONS.map(|region| (process, region)));
    parts
        .map(|(process, region)| {
            let stops = evidence.calls("StopInstances");
            let stops = stops.filter(|one| one.caller == process.name && one.region == region);
            let holds = &evidence.holds[&*process.name];
            Part { evidence, budget, process, region, holds, stops: stops.collect() }
        })
        .collect()
}

impl<'r> Part<'_, 'r> {
    /// Checks that at each stop no more instances count than may: those stopped by calls that had not
    /// ended a window before, since the last hold ended.
    fn within_the_window(&self, violations: &mut Vec<String>) {
        let ends = self.holds.ends(self.region);
        for stop in &self.stops {
            let anew = ends.iter().filter(|end| **end <= stop.at).max();
            let counting = self.stops.iter().filter(|one| {
                one.number <= stop.number
                    && over(one) + self.budget.window > stop.at
                    && anew.is_none_or(|anew| over(one) > *anew)
            });
            let stopped: BTreeSet<_> = counting.flat_map(|one| &one.stopped).collect();
            if stopped.len() > self.budget.stops {
                let (name, number, count) = (&self.process.name, stop.number, stopped.len());
                let most = self.budget.stops;
                violations
                    .push(format!("{name} stops {count} of {most} in a window, by call {number}"));
            }
        }
    }

    /// Checks that no stop begins while the process knows a hold.
    fn bound_by_holds(&self, violations: &mut Vec<String>) {
        for stop in self.stops.iter().filter(|one| self.holds.surely_hold(self.region, one.at)) {
            let (name, number) = (&self.process.name, stop.number);
            violations.push(format!("{name} stops by call {number} although it knows a hold"));
        }
    }

    /// Checks that no stop begins a minute after a tag was set, while tags could be read.
    fn bound_within_a_minute(&self, violations: &mut Vec<String>) {
        for stop in &self.stops {
            let Some(since) = held_since(self.evidence, self.region, stop.at) else { continue };
            let from = since.max(self.process.began);
            let mut reads = self.evidence.calls("ListQueueTags").filter(|call| {
                call.caller == self.process.name && call.at + CALL >= from && call.at <= stop.at
            });
            if from + MINUTE + CALL < stop.at && reads.all(|call| !is_troubled(call)) {
                let (name, number) = (&self.process.name, stop.number);
                let since = self.evidence.since(since);
                violations.push(format!("{name} stops by call {number}, held since {since}"));
            }
        }
    }

    /// The launches that may count at a moment, as certainly stopped or perhaps.
    fn may_count(&self, at: Instant) -> BTreeSet<(&'r str, usize, bool)> {
        let anew = self.holds.ends(self.region).into_iter().filter(|end| *end < at).max();
        let counting = self.stops.iter().filter(|one| {
            one.at <= at
                && over(one) + self.budget.window >= at
                && anew.is_none_or(|anew| over(one) >= anew)
        });
        let launches = counting.flat_map(|call| {
            let ids = call.subjects.iter().filter(|id| self.may_have_stopped(call, id));
            ids.map(|id| self.launch(id, call.at))
        });
        launches.collect()
    }

    fn may_have_stopped(&self, call: &Call, id: &String) -> bool {
        let in_doubt = self.evidence.is_struck(call, Nature::Panicking);
        in_doubt
            || match &call.result {
                Outcome::Answered => {
                    call.stopped.contains(id) || !call.seen_states.contains_key(id)
                }
                Outcome::Failed { code } => IN_DOUBT.contains(&code.as_str()),
                _ => true,
            }
    }

    /// An instance, how often its owner had started it, and whether the policies had changed: another
    /// launch counts anew, as far as the policies read the time of launch.
    fn launch(&self, id: &'r str, at: Instant) -> (&'r str, usize, bool) {
        let record = self.evidence.record;
        let starts = record.history.changes.iter().filter(|one| {
            one.change == Change::Start
                && one.at <= at
                && record.plan.instances[one.instance].id == id
        });
        (id, starts.count(), record.history.reloaded.is_some_and(|reloaded| reloaded <= at))
    }
}

/// Since when tags have held the stops in a region without a break, if they do at this moment.
fn held_since(evidence: &Evidence<'_>, region: &str, at: Instant) -> Option<Instant> {
    let people = evidence.record.history.holds.iter().map(|one| (one.at, &one.key, one.is_set));
    let sets = evidence.calls("TagQueue").filter_map(|call| {
        Some((call.acted.filter(|_| call.effect.is_some())?, call.subjects.first()?, true))
    });
    let mut changes: Vec<_> = people
        .chain(sets)
        .filter(|(_, key, _)| target(key).is_some_and(|target| binds(target, region)))
        .filter(|(time, ..)| *time < at)
        .collect();
    // Of a tag that is set and removed at one moment it is not known whether it is there.
    changes.sort_by_key(|(time, _, is_set)| (*time, !is_set));
    let (mut there, mut since) = (BTreeSet::new(), None);
    for (time, key, is_set) in changes {
        if is_set {
            there.insert(key);
        } else {
            there.remove(key);
        }
        since = if there.is_empty() { None } else { since.or(Some(time)) };
    }
    since
}

/// Checks that a process begins holds only where its budget is used up.
fn trips(evidence: &Evidence<'_>, process: &Process, violations: &mut Vec<String>) {
    for (at, target) in &evidence.holds[&*process.name].trips {
        let parts = parts(evidence).into_iter().filter(|part| part.process.name == process.name);
        let mut parts = parts.filter(|part| binds(target, part.region));
        if !parts.any(|part| part.may_count(*at).len() >= part.budget.stops) {
            let (name, at) = (&process.name, evidence.since(*at));
            violations.push(format!("{name} holds {target} at {at} without need"));
        }
    }
}

/// Checks that operators are told only of budgets that are used up.
fn operators(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for publish in evidence.calls("PublishBatch").filter(|call| is_to_operators(call)) {
        let text = &publish.subjects[0];
        if !text.starts_with("More instances than ") {
            continue;
        }
        let is_true = evidence.holds.get(&*publish.caller).is_some_and(|holds| {
            let mut trips = holds.trips.iter().filter(|(at, _)| *at <= publish.at);
            trips.any(|(_, target)| {
                let mut regions = REGIONS.iter().filter(|region| binds(target, region));
                regions.any(|region| {
                    text.contains(&format!("in account {ACCOUNT}, region {region}, so"))
                })
            })
        });
        if !is_true {
            violations.push(format!("call {} tells operators: {text}", publish.number));
        }
    }
}
