//! Counts what was played: worlds, messages, calls, processes; and how often the invariants were
//! checked that concern few worlds, so that one which meets nothing is noticed.

use ec2_policy_enforcer::sandbox::Call;

use super::drive::Record;
use super::evidence::Evidence;
use super::history::Nature;
use super::invariants::{answers, budget, released, unreachable};
use super::member_totals;
use super::policies::Policies;

#[derive(Debug, Default, Clone)]
pub(super) struct Totals {
    counts: Vec<(&'static str, usize)>,
}

impl Totals {
    pub(super) const NONE: Self = Self { counts: Vec::new() };

    pub(super) fn add(&mut self, record: &Record) {
        let evidence = Evidence::of(record);
        for (what, count) in played(&evidence).into_iter().chain(judged(&evidence)) {
            self.add_to(what, count);
        }
    }

    /// Adds what was played in other worlds.
    pub(super) fn join(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            self.add_to(what, *count);
        }
    }

    /// How many worlds were played.
    pub(super) fn worlds(&self) -> usize {
        self.counts.first().map_or(0, |(_, worlds)| *worlds)
    }

    /// What never happened.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        self.counts.iter().filter(|(_, count)| *count == 0).map(|(what, _)| *what).collect()
    }

    fn add_to(&mut self, what: &'static str, count: usize) {
        match self.counts.iter_mut().find(|(known, _)| *known == what) {
            Some((_, total)) => *total += count,
            None => self.counts.push((what, count)),
        }
    }
}

fn played(evidence: &Evidence<'_>) -> Vec<(&'static str, usize)> {
    let record = evidence.record;
    let natures = [Nature::Passing, Nature::Regional, Nature::Poison, Nature::Panicking];
    let is_struck = |call: &&Call| natures.iter().any(|one| evidence.is_struck(call, *one));
    let panics = |call: &&Call| evidence.is_struck(call, Nature::Panicking);
    let processes = record.history.processes.iter();
    let policies = record.plan.policies.as_ref();
    let mut counts = vec![
        ("worlds", 1),
        ("messages", record.history.sent.len()),
        ("calls", record.calls.len()),
        // Without those that only took longer.
        ("calls struck by faults", record.calls.iter().filter(is_struck).count()),
        ("panics of batches", record.calls.iter().filter(panics).count()),
        ("processes", record.history.processes.len()),
        // The others were killed.
        ("processes drained", processes.filter(|one| one.signalled.is_some()).count()),
        ("instances stopped", record.calls.iter().map(|call| call.stopped.len()).sum()),
        ("notices", record.notices.len()),
        ("worlds with policies", usize::from(policies.is_some())),
        ("worlds with graces", usize::from(policies.is_some_and(Policies::give_grace))),
        ("worlds with budgets", usize::from(record.plan.budget.is_some())),
        ("changes of tags reported", record.plan.tag_events.len()),
    ];
    counts.extend(member_totals::played(evidence));
    counts
}

fn judged(evidence: &Evidence<'_>) -> Vec<(&'static str, usize)> {
    let of_budgets = budget::count(evidence);
    vec![
        ("stops planned", evidence.told.len()),
        ("stops called off", evidence.called_off.len()),
        ("stops that had to be called off at once", answers::count(evidence)),
        ("stops within budgets", of_budgets.stops),
        ("budgets used up", of_budgets.trips),
        ("holds ended", of_budgets.resumed),
        ("messages that had to be released", released::count(evidence)),
        ("violators given up for the budget", of_budgets.given_up),
        ("messages put off", unreachable::put_off(evidence)),
        ("outages of members told", unreachable::count(evidence)),
    ]
}
