//! Operators hear of accounts and regions that cannot be called: once an hour, of such ones only.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;

use crate::simulation::evidence::Evidence;
use crate::simulation::history::Process;
use crate::simulation::members::Target;
use crate::simulation::result::is_slow;

const HOUR: Duration = Duration::from_hours(1);
/// By then after its begin, operators hear of an outage, if they have heard of none for an hour.
const TOLD: Duration = Duration::from_mins(3);
/// How much sooner than after an hour the next notice may be published: one to operators waits up
/// to a second for another one.
const MOMENT: Duration = Duration::from_secs(10);

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let is_silent = evidence.calls("PublishBatch").any(is_slow);
    for process in &evidence.record.history.processes {
        let told: Vec<_> = told(evidence, process).collect();
        for notice in &told {
            for (operation, target) in lines(&notice.subjects[0]) {
                let outages = evidence.outages.of(&process.name, target, operation);
                if !outages.iter().any(|(from, _)| *from <= notice.at) {
                    violations.push(format!(
                        "call {} tells operators of {operation} in {target:?}, which never failed",
                        notice.number
                    ));
                }
            }
        }
        if !is_silent && evidence.record.plan.members.is_some() {
            too_often(&told, process, violations);
            unheard(evidence, (process, &told), violations);
        }
    }
}

/// How many notices told operators of such accounts and regions.
pub(in crate::simulation) fn count(evidence: &Evidence<'_>) -> usize {
    let processes = evidence.record.history.processes.iter();
    processes.map(|process| told(evidence, process).count()).sum()
}

/// How often a message was put off.
pub(in crate::simulation) fn put_off(evidence: &Evidence<'_>) -> usize {
    let calls = evidence.calls("ChangeMessageVisibilityBatch");
    let messages = calls.flat_map(|call| call.timeouts.iter().map(move |(id, _)| (call, id)));
    messages.filter(|(call, message)| evidence.is_put_off(call, message)).count()
}

fn told<'r>(evidence: &Evidence<'r>, process: &Process) -> impl Iterator<Item = &'r Call> {
    let publishes = evidence.calls("PublishBatch").filter(|call| call.caller == process.name);
    publishes.filter(|call| call.subjects[0].starts_with("These calls fail, "))
}

/// The operations that a notice names, each with its account and region.
fn lines(text: &str) -> impl Iterator<Item = (&str, Target<'_>)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("paused for "));
    lines.map(|line| {
        let (_, line) = line.split_once(": ").unwrap();
        let (operation, place) = line.split_once(" in ").unwrap();
        (operation, place.split(": ").next().unwrap().split_once('/').unwrap())
    })
}

/// Checks that notices are an hour apart, unless SNS fails, so that they wait for one another.
fn too_often(told: &[&Call], process: &Process, violations: &mut Vec<String>) {
    for pair in told.windows(2).filter(|pair| pair[0].at + HOUR > pair[1].at + MOMENT) {
        let (name, number) = (&process.name, pair[1].number);
        violations.push(format!("{name} tells operators again too soon, by call {number}"));
    }
}

/// Checks that operators hear of each outage that lasts.
fn unheard(
    evidence: &Evidence<'_>,
    (process, told): (&Process, &[&Call]),
    violations: &mut Vec<String>,
) {
    let ended = process.signalled.or(process.ended.as_ref().map(|ended| ended.at));
    let works_until = ended.unwrap_or(evidence.record.settled);
    for target in evidence.targets() {
        for (from, to) in evidence.outages.of(&process.name, target, "DescribeTags") {
            let due = *from + TOLD;
            let lasts = to.is_none_or(|to| to > due) && due < works_until;
            let mut before = told.iter().filter(|notice| notice.at <= due);
            if lasts && !before.any(|notice| notice.at + HOUR + TOLD >= due) {
                let (name, since) = (&process.name, evidence.since(*from));
                violations.push(format!(
                    "{name} tells no operator of {target:?}, which fails since {since}"
                ));
            }
        }
    }
}
