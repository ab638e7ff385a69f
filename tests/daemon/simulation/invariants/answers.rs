//! Where tag changes count, a tag that exempts calls a planned stop off within two seconds and what
//! the calls take: in worlds in which nothing fails, by the one process that there is.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::history::{Copy, Process, What};
use crate::simulation::plan::{Change, Happening, Trouble};
use crate::simulation::policies::Set;
use crate::simulation::told::{Told, is_end};
use crate::world::TAG;

const SOON: Duration = Duration::from_secs(2);
/// How long before and after the change nothing else may happen.
const QUIET: Duration = Duration::from_mins(1);
/// The calls from the receive of a message to its notice.
const CALLS: [&str; 4] = ["ReceiveMessage", "DescribeTags", "DescribeInstances", "PublishBatch"];

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let Some(latency) = latency(evidence) else { return };
    for (at, copy) in tagged(evidence) {
        let (Some(process), id) = (only_process(evidence, at), id(evidence, copy)) else {
            continue;
        };
        let Some(told) = standing(evidence, process, (id, at)) else { continue };
        if changes_otherwise(evidence, copy, (told.at(), at)) {
            continue;
        }
        let mut called_off = evidence.called_off_by(&process.name, id);
        if !called_off.any(|one| at <= one.at() && one.at() <= at + SOON + latency) {
            let at = evidence.since(at);
            violations.push(format!("the stop of {id} is not called off, tagged at {at}"));
        }
    }
}

/// How often a planned stop must have been called off at once.
pub(in crate::simulation) fn count(evidence: &Evidence<'_>) -> usize {
    let is_due = |(at, copy): &(Instant, &Copy)| {
        let Some(process) = only_process(evidence, *at) else { return false };
        let told = standing(evidence, process, (id(evidence, copy), *at));
        told.is_some_and(|told| !changes_otherwise(evidence, copy, (told.at(), *at)))
    };
    if latency(evidence).is_some() { tagged(evidence).filter(is_due).count() } else { 0 }
}

/// How long the calls take in all; `None` in a world in which any may fail or show what was.
fn latency(evidence: &Evidence<'_>) -> Option<Duration> {
    let plan = &evidence.record.plan;
    if plan.mails || plan.share_percent < 100 || plan.options.token_buckets {
        return None;
    }
    let mut latency = Duration::ZERO;
    for (_, happening) in &plan.story {
        match happening {
            Happening::Strike(_, Trouble::Slow { operation, by }) => {
                latency += *by * u32::from(CALLS.contains(operation));
            }
            Happening::Strike(..) | Happening::Reload => return None,
            _ => {}
        }
    }
    Some(latency)
}

/// The events that say that the exception tag of an instance changed, and when each was first sent.
fn tagged<'r>(evidence: &Evidence<'r>) -> impl Iterator<Item = (Instant, &'r Copy)> {
    let record = evidence.record;
    let copies = record.history.sent.iter().filter_map(|sent| match &sent.what {
        What::Event(copy) if copy.since == sent.at => Some((sent.at, copy)),
        _ => None,
    });
    copies.filter(|(_, copy)| {
        let mut events = record.plan.tag_events.iter();
        events.any(|event| event.id == copy.key && event.key == TAG)
    })
}

fn id<'r>(evidence: &Evidence<'r>, copy: &Copy) -> &'r str {
    &evidence.record.plan.instances[copy.instance].id
}

/// The process that works around a moment, if it is the only one.
fn only_process<'r>(evidence: &Evidence<'r>, at: Instant) -> Option<&'r Process> {
    let lives = |process: &&Process| {
        let ended = process.signalled.or(process.ended.as_ref().map(|ended| ended.at));
        process.began <= at + QUIET && ended.is_none_or(|ended| ended + QUIET >= at)
    };
    let mut living = evidence.record.history.processes.iter().filter(lives);
    let only = living.next().filter(|one| one.began + QUIET <= at)?;
    let ended = only.signalled.or(only.ended.as_ref().map(|ended| ended.at));
    let stays = ended.is_none_or(|ended| ended >= at + QUIET);
    (living.next().is_none() && stays).then_some(only)
}

/// The notice of a stop to come that still stands at a moment, and whose time is not near.
fn standing<'e, 'r>(
    evidence: &'e Evidence<'r>,
    process: &Process,
    (id, at): (&str, Instant),
) -> Option<&'e Told<'r>> {
    let told = evidence.told_by(&process.name, id).filter(|one| {
        one.is_accepted && one.publish.answered.is_some_and(|answered| answered + QUIET <= at)
    });
    let last = told.last()?;
    let since = |one: &Call| one.effect > last.publish.effect && one.at <= at;
    let mut called_off = evidence.called_off_by(&process.name, id);
    let mut ends = evidence.publishes.iter().filter(|one| since(one));
    let is_over = called_off.any(|one| since(one.publish))
        || ends.any(|one| one.subjects.iter().any(|text| is_end(text, id)));
    (!is_over && last.stop > evidence.secs(at + QUIET)).then_some(last)
}

/// Whether the instance is not exempt by its tag alone, or changes otherwise in this time.
fn changes_otherwise(evidence: &Evidence<'_>, copy: &Copy, (from, to): (Instant, Instant)) -> bool {
    let record = evidence.record;
    let planned = &record.plan.instances[copy.instance];
    let changes = record.history.changes.iter().filter(|one| one.instance == copy.instance);
    let mut near = changes.filter(|one| one.at + QUIET >= from && one.at <= to + QUIET);
    let honoured =
        evidence.policies().is_some_and(|policies| policies.sets().all(Set::honours_the_tag));
    let moment = Duration::from_millis(1);
    planned.unseen_by.is_some()
        || !honoured
        || evidence.is_tagged(copy.instance, to + moment) != Some(true)
        || near.any(|one| !matches!(one.change, Change::Tag | Change::Set(..) | Change::Unset(_)))
}
