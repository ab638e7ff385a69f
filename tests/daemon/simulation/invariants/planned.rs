//! With a grace nobody is stopped unheard, or before the time that was told; nobody is told twice
//! without need; and every stop that was told of takes place, unless the look at its time said
//! otherwise.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, State};
use tokio::time::Instant;

use super::end::{is_left_by_the_budget, leases_fail};
use crate::simulation::evidence::Evidence;
use crate::simulation::look::Look;
use crate::simulation::plan::{Instance, Kind};
use crate::simulation::policies::verdict::{Judgement, Verdict};
use crate::simulation::told::{CalledOff, Told, called_off, is_end, launched};

/// The least time between a notice of a stop and the stop.
const MIN_NOTICE: Duration = Duration::from_mins(10);
/// How much less it may be: the time of day is known from dates in whole seconds.
const PRECISION: Duration = Duration::from_secs(2);
/// The same in seconds, together with the part of a second.
const SECS: i64 = 3;
const MINUTE: i64 = 60;
/// The least time of notice, in seconds.
const NOTICE: i64 = 600;
/// For how long a notice may be held up before it is written anew.
const HELD_UP: i64 = 60;

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for told in &evidence.told {
        if let Some(before) = told_before(evidence, told) {
            let (by, number, before) = (&told.publish.caller, told.publish.number, before.number);
            violations.push(format!("{by} tells by call {number} what it told by {before}"));
        }
    }
    for called_off in &evidence.called_off {
        if is_called_off_again(evidence, called_off) {
            let (by, number) = (&called_off.publish.caller, called_off.publish.number);
            violations.push(format!("{by} calls off by call {number} what it told nobody of"));
        }
    }
    for instance in &evidence.record.plan.instances {
        if goes_on(evidence, instance) {
            violations.push(format!("an instance outlives its planned stop: {}", instance.id));
        }
    }
}

/// Whether an instance may be stopped, as far as its owner must have been told of that. One
/// judgement by the look is enough.
pub(super) fn may_be_stopped(
    evidence: &Evidence<'_>,
    instance: &Instance,
    look: &Look<'_>,
    stop: &Call,
) -> bool {
    let ended = (look.ended(), look.ended());
    let judged = evidence.judged(&instance.id, look.caller(), ended);
    let mut enforced = judged.iter().filter(|one| one.verdict == Verdict::Enforce);
    enforced.any(|one| match one.deadline(None) {
        None => !waits(evidence, &instance.id, one, (stop, look)),
        Some(deadline) => {
            let now = evidence.secs(stop.at);
            let mut told = evidence.told_by(&stop.caller, &instance.id);
            now + SECS >= deadline && told.any(|told| is_heard(evidence, told, one, (stop, now)))
        }
    })
}

/// Whether the owner was told of a later time before the look, by a notice that still stands: it
/// holds, although the instance would be stopped at once without it.
fn waits(
    evidence: &Evidence<'_>,
    id: &str,
    judged: &Judgement,
    (stop, look): (&Call, &Look<'_>),
) -> bool {
    let told = evidence.told_by(&stop.caller, id).filter(|told| {
        told.is_accepted
            && told.publish.answered < Some(look.at())
            && told.launches.len() == 1
            && told.launches.contains(&judged.launched)
    });
    let Some(last) = told.last() else { return false };
    let later = |one: &Call| one.effect > last.publish.effect && one.at <= stop.at;
    let mut publishes = evidence.publishes.iter().filter(|one| one.caller == stop.caller);
    let is_over = |text: &String| is_end(text, id) || is_called_off(text, id);
    last.stop > evidence.secs(stop.at) + SECS
        && !publishes.any(|one| later(one) && one.subjects.iter().any(is_over))
}

/// Whether the owner was told of this stop, early enough, and the time that was told has come.
fn is_heard(
    evidence: &Evidence<'_>,
    told: &Told<'_>,
    judged: &Judgement,
    (stop, now): (&Call, i64),
) -> bool {
    let mut called_off = evidence.called_off_by(&stop.caller, told.id);
    told.is_accepted
        && !called_off.any(|one| told.publish.effect < one.publish.effect && one.at() <= stop.at)
        && told.launches.contains(&judged.launched)
        && told.at() + MIN_NOTICE <= stop.at + PRECISION
        && told.stop <= now + SECS
}

/// Whether a notice of a stop to come names the right time by a judgement: its deadline, or the time
/// of notice after the publication, if that is later. It may have been held up for a minute.
pub(super) fn is_right_time(
    evidence: &Evidence<'_>,
    publish: &Call,
    judged: &Judgement,
    (id, stop): (&str, i64),
) -> bool {
    let earliest = evidence.secs(publish.at) + NOTICE;
    let started = evidence.started(id).into_iter().map(Some).chain([None]);
    let mut deadlines = started.filter_map(|started| judged.deadline(started));
    judged.runs
        && deadlines.any(|deadline| {
            let latest = deadline.max(earliest) + SECS;
            let soonest = deadline.max(earliest - HELD_UP) - SECS;
            stop <= latest && stop + MINUTE > soonest
        })
}

/// Whether a notice that calls a stop off gives the right reason: by what the process saw since it
/// held the message.
pub(super) fn is_rightly_called_off(
    evidence: &Evidence<'_>,
    publish: &Call,
    (id, why, lines): (&str, &str, &str),
    since: Instant,
) -> bool {
    let judged = evidence.judged(id, &publish.caller, (since, publish.at));
    let is_exempt = || evidence.was_exempt(id, &publish.caller, (since, publish.at));
    let fits = |verdicts: &[Verdict]| {
        judged.iter().any(|one| verdicts.contains(&one.verdict) && one.lines_if_told() == lines)
    };
    match why {
        "it has the tag SPECIAL_EXCEPTION" => {
            fits(&[Verdict::Exempt]) || (lines.is_empty() && is_exempt())
        }
        "it violates no policy any more" => fits(&[Verdict::Compliant]),
        "the policies that it violates do not stop any more" => {
            fits(&[Verdict::Warn, Verdict::WouldStop])
        }
        _ => false,
    }
}

/// Whether a process calls a stop off of which it told nobody, or which it knows to have called off.
fn is_called_off_again(evidence: &Evidence<'_>, called_off: &CalledOff<'_>) -> bool {
    let CalledOff { publish, id, .. } = called_off;
    let told = evidence.told_by(&publish.caller, id).filter(|one| one.at() <= publish.at);
    let Some(last) = told.map(Told::at).max() else { return true };
    let mut others = evidence.called_off_by(&publish.caller, id);
    others.any(|one| {
        one.is_accepted
            && one.publish.effect < publish.effect
            && last <= one.at()
            && one.publish.answered <= Some(publish.at)
    })
}

fn is_called_off(text: &str, id: &str) -> bool {
    called_off(text).is_some_and(|(about, _)| about == id)
}

/// The notice by which the same process told the same about a launch before, if there was no need
/// for another one.
fn told_before<'r>(evidence: &Evidence<'r>, told: &Told<'r>) -> Option<&'r Call> {
    let publish = told.publish;
    let earlier = evidence.told_by(&publish.caller, told.id).filter(|one| {
        one.publish.effect < publish.effect
            && one.is_accepted
            && one.publish.answered <= Some(publish.at)
            && one.launches.len() == 1
            && one.launches == told.launches
    });
    let last = earlier.last()?;
    (!is_needed_again(evidence, told, last)).then_some(last.publish)
}

/// Whether the process had to tell once more: it called the stop off in between, or told that the
/// instance was stopped or could not be; or a reload put the stop off.
fn is_needed_again(evidence: &Evidence<'_>, told: &Told<'_>, last: &Told<'_>) -> bool {
    let during = (last.at(), told.publish.at);
    let within = |at: Instant| during.0 <= at && at <= during.1;
    let process = &told.publish.caller;
    let is_put_off = told.stop > last.stop && evidence.record.history.reloaded.is_some_and(within);
    let is_other = |text: &String| is_end(text, told.id) || is_called_off(text, told.id);
    let mut publishes = evidence.publishes.iter().filter(|one| one.caller == *process);
    is_put_off || publishes.any(|one| within(one.at) && one.subjects.iter().any(is_other))
}

/// Whether an instance runs at the end although its owner was told that this launch would be
/// stopped, and the last look showed a violator.
fn goes_on(evidence: &Evidence<'_>, planned: &Instance) -> bool {
    let record = evidence.record;
    let Some(instance) = record.instances.iter().find(|one| one.id == planned.id) else {
        return false;
    };
    let launch = launched(&instance.details);
    let is_told = |told: &Told<'_>| {
        told.id == planned.id && told.launches.len() == 1 && told.launches.contains(&launch)
    };
    let stoppable = matches!(planned.kind, Kind::Plain | Kind::PersistentSpot);
    let refused = format!("EC2 {} NOT stopped", planned.id);
    stoppable
        && instance.state == State::Running
        && evidence.told.iter().any(is_told)
        && record.notices.iter().all(|notice| !notice.message.starts_with(&refused))
        && !is_poisoned(evidence, planned)
        && !(leases_fail(evidence) && is_dead(evidence, &planned.id))
        && !is_left_by_the_budget(evidence, &planned.id, record.began)
        && last_look_enforces(evidence, &planned.id)
}

/// Whether the last look at an instance showed a violator that is to be stopped, whatever tags
/// counted, and no later look at the tags showed it as exempt.
fn last_look_enforces(evidence: &Evidence<'_>, id: &str) -> bool {
    let looks = evidence.looks_at(id).filter(|look| look.page(id).is_some());
    let Some(last) = looks.max_by_key(|look| look.ended()) else { return false };
    let judged = evidence.judged(id, last.caller(), (last.ended(), last.ended()));
    let since = (last.at(), evidence.record.settled);
    let mut processes = evidence.record.history.processes.iter();
    !judged.is_empty()
        && judged.iter().all(|one| one.verdict == Verdict::Enforce)
        && !processes.any(|process| evidence.was_exempt(id, &process.name, since))
}

fn is_poisoned(evidence: &Evidence<'_>, planned: &Instance) -> bool {
    let poisoned = evidence.record.plan.poisoned_to_the_end();
    poisoned.iter().any(|number| evidence.record.plan.instances[*number].id == planned.id)
}

/// Whether a message about an instance is in the dead-letter queue.
fn is_dead(evidence: &Evidence<'_>, id: &str) -> bool {
    let mut dead = evidence.record.dead_letters.iter();
    dead.any(|letter| evidence.instances.get(letter.id.as_str()) == Some(&id))
}
