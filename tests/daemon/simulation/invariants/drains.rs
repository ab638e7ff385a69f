//! What a process leaves behind.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Message, Outcome, Visibility};
use tokio::time::Instant;

use crate::simulation::diary::{Ended, Process};
use crate::simulation::evidence::Evidence;
use crate::simulation::result::{has_effect, is_answered, is_troubled};

/// What SQS hands out so long after the signal still finds its poll.
const LAST_CALL: Duration = Duration::from_secs(2);
/// A long poll of 20 s, and 10 s for its answer.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);
const LAST_ROUND: Duration = Duration::from_secs(3);
/// The last call of a poll may outlast a short drain timeout, but not by much.
const TOLERANCE: Duration = Duration::from_millis(100);

pub fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for process in &evidence.record.diary.processes {
        let Some(ended) = &process.ended else { continue };
        let gentle = process.signalled.filter(|_| !process.hurried);
        let wrong = match (gentle, &ended.drained) {
            (Some(signalled), Some(drained)) => {
                drained_well(evidence, process, ended, signalled, drained.held)
            }
            _ => comes_back(evidence, process, ended),
        };
        violations.extend(wrong.map(|wrong| format!("{} {wrong}", process.name)));
    }
}

fn drained_well(
    evidence: &Evidence<'_>,
    process: &Process,
    ended: &Ended,
    signalled: Instant,
    told: usize,
) -> Option<String> {
    let received = |call: &&Call| call.caller == process.name && is_answered(call);
    evidence.calls("ReceiveMessage").find(received)?;
    let took = ended.at - signalled;
    if took > evidence.record.plan.drain_timeout + LAST_ROUND + TOLERANCE {
        return Some(format!("took {took:?} to drain"));
    }
    if let Some(poll) = stranded(evidence, process, signalled) {
        return Some(format!("cut off poll {}, which brought {:?}", poll.number, poll.subjects));
    }
    let held = held_by(evidence, process, ended);
    let left = held.filter(|(message, receive)| {
        !is_returned(evidence, process, message, receive, ended, signalled)
    });
    let left: Vec<_> = left.map(|(message, _)| message.id.as_str()).collect();
    if left.len() > told {
        return Some(format!("drained, said that it holds {told}, and left held {left:?}"));
    }
    (told > 0 && !is_troubled_at_the_end(evidence, process, signalled))
        .then(|| format!("left {told} held without need"))
}

/// A poll that handed messages out to nobody, although its last call was not over.
fn stranded<'e>(
    evidence: &'e Evidence<'_>,
    process: &Process,
    signalled: Instant,
) -> Option<&'e Call> {
    let mut polls = evidence
        .calls("ReceiveMessage")
        .filter(|poll| poll.caller == process.name && poll.result == Outcome::Abandoned);
    polls.find(|poll| {
        let in_time = |acted: Instant| {
            acted >= signalled && acted < (signalled + LAST_CALL).min(poll.at + POLL_TIMEOUT)
        };
        poll.acted.is_some_and(in_time) && !poll.subjects.is_empty()
    })
}

/// The sound messages that it was told of last, and that are still invisible.
fn held_by<'e>(
    evidence: &'e Evidence<'_>,
    process: &'e Process,
    ended: &'e Ended,
) -> impl Iterator<Item = (&'e Message, &'e Call)> {
    let rejected = evidence.record.diary.rejected();
    let held = ended.messages.iter().filter(|message| message.is_held());
    let sound = held.filter(move |message| !rejected.contains(message.id.as_str()));
    sound.filter_map(|message| {
        let receive = last(evidence, "ReceiveMessage", message, ended, |_| true)?;
        (receive.caller == process.name && is_answered(receive)).then_some((message, receive))
    })
}

fn last<'e>(
    evidence: &'e Evidence<'_>,
    operation: &str,
    message: &Message,
    ended: &Ended,
    which: impl Fn(&Call) -> bool,
) -> Option<&'e Call> {
    let calls = evidence.by_message.get(message.id.as_str())?.iter().copied();
    let before = calls.filter(|call| call.acted.is_some_and(|acted| acted <= ended.at));
    before.filter(|call| call.operation == operation && which(call)).last()
}

/// Whether it is under a back-off that was set before the signal.
fn is_returned(
    evidence: &Evidence<'_>,
    process: &Process,
    message: &Message,
    receive: &Call,
    ended: &Ended,
    signalled: Instant,
) -> bool {
    let hide = last(evidence, "ChangeMessageVisibilityBatch", message, ended, |call| {
        call.caller == process.name && call.effect > receive.effect && has_effect(call, &message.id)
    });
    hide.is_some_and(|hide| hide.at <= signalled && returns(evidence, hide, message).is_some())
}

/// For how long a call returns a message; a renewal asks for the visibility timeout.
fn returns(evidence: &Evidence<'_>, hide: &Call, message: &Message) -> Option<Duration> {
    let (_, secs) = hide.timeouts.iter().find(|(id, _)| *id == message.id)?;
    let time = Duration::from_secs(u64::try_from(*secs).unwrap());
    (time != evidence.record.plan.visibility).then_some(time)
}

fn is_troubled_at_the_end(evidence: &Evidence<'_>, process: &Process, signalled: Instant) -> bool {
    let mut calls = evidence.record.calls.iter().filter(|call| {
        call.caller == process.name && call.answered.is_none_or(|answered| answered >= signalled)
    });
    let settles = |call: &Call| {
        matches!(call.operation.as_str(), "ChangeMessageVisibilityBatch" | "DeleteMessageBatch")
    };
    calls.any(|call| settles(call) && is_troubled(call))
}

/// After a kill everything comes back by its visibility timeout, or when its back-off ends.
fn comes_back(evidence: &Evidence<'_>, process: &Process, ended: &Ended) -> Option<String> {
    let mut held = held_by(evidence, process, ended);
    held.find_map(|(message, receive)| {
        let Visibility::Held { until } = message.visibility else { return None };
        let hide = last(evidence, "ChangeMessageVisibilityBatch", message, ended, |call| {
            call.effect > receive.effect && has_effect(call, &message.id)
        });
        let back_off = hide.and_then(|hide| returns(evidence, hide, message)).unwrap_or_default();
        let longest = back_off.max(evidence.record.plan.visibility);
        (until > ended.at + longest)
            .then(|| format!("ended, and {} stays away for {:?}", message.id, until - ended.at))
    })
}
