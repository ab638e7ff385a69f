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

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for process in &evidence.record.diary.processes {
        let Some(ended) = &process.ended else { continue };
        let end = End { evidence, process, ended };
        let gentle = process.signalled.filter(|_| !process.hurried);
        let wrong = match (gentle, &ended.drained) {
            (Some(signalled), Some(drained)) => end.drained_well(signalled, drained.held),
            _ => end.comes_back(),
        };
        violations.extend(wrong.map(|wrong| format!("{} {wrong}", process.name)));
    }
}

/// The end of a process.
struct End<'e, 'r> {
    evidence: &'e Evidence<'r>,
    process: &'e Process,
    ended: &'e Ended,
}

impl<'e> End<'e, '_> {
    fn drained_well(&self, signalled: Instant, told: usize) -> Option<String> {
        let received = |call: &&Call| call.caller == self.process.name && is_answered(call);
        self.evidence.calls("ReceiveMessage").find(received)?;
        let took = self.ended.at - signalled;
        if took > self.evidence.record.plan.drain_timeout + LAST_ROUND + TOLERANCE {
            return Some(format!("took {took:?} to drain"));
        }
        if let Some(poll) = self.stranded(signalled) {
            return Some(format!(
                "cut off poll {}, which brought {:?}",
                poll.number, poll.subjects
            ));
        }
        let held =
            self.held().filter(|(message, receive)| !self.is_returned(message, receive, signalled));
        let left: Vec<_> = held.map(|(message, _)| message.id.as_str()).collect();
        if left.len() > told {
            return Some(format!("drained, said that it holds {told}, and left held {left:?}"));
        }
        (told > 0 && !self.is_troubled(signalled)).then(|| format!("left {told} held without need"))
    }

    /// A poll that handed messages out to nobody, although its last call was not over.
    fn stranded(&self, signalled: Instant) -> Option<&'e Call> {
        let mut polls = self
            .evidence
            .calls("ReceiveMessage")
            .filter(|poll| poll.caller == self.process.name && poll.result == Outcome::Abandoned);
        polls.find(|poll| {
            let in_time = |acted: Instant| {
                acted >= signalled && acted < (signalled + LAST_CALL).min(poll.at + POLL_TIMEOUT)
            };
            poll.acted.is_some_and(in_time) && !poll.subjects.is_empty()
        })
    }

    /// The sound messages that it was told of last, and that are still invisible.
    fn held(&self) -> impl Iterator<Item = (&'e Message, &'e Call)> {
        let rejected = self.evidence.record.diary.rejected();
        let held = self.ended.messages.iter().filter(|message| message.is_held());
        let sound = held.filter(move |message| !rejected.contains(message.id.as_str()));
        sound.filter_map(|message| {
            let receive = self.last("ReceiveMessage", message, |_| true)?;
            (receive.caller == self.process.name && is_answered(receive))
                .then_some((message, receive))
        })
    }

    /// The last of the calls about a message that had their effect before the end.
    fn last(
        &self,
        operation: &str,
        message: &Message,
        which: impl Fn(&Call) -> bool,
    ) -> Option<&'e Call> {
        let calls = self.evidence.by_message.get(message.id.as_str())?.iter().copied();
        let before = calls.filter(|call| call.acted.is_some_and(|acted| acted <= self.ended.at));
        before.filter(|call| call.operation == operation && which(call)).last()
    }

    /// The last change of its visibility since it was received.
    fn hidden(
        &self,
        message: &Message,
        receive: &Call,
        by: impl Fn(&Call) -> bool,
    ) -> Option<&'e Call> {
        self.last("ChangeMessageVisibilityBatch", message, |call| {
            by(call) && call.effect > receive.effect && has_effect(call, &message.id)
        })
    }

    /// Whether it is under a back-off that was set before the signal.
    fn is_returned(&self, message: &Message, receive: &Call, signalled: Instant) -> bool {
        let hide = self.hidden(message, receive, |call| call.caller == self.process.name);
        hide.is_some_and(|hide| hide.at <= signalled && self.returns(hide, message).is_some())
    }

    /// For how long a call returns a message; a renewal asks for the visibility timeout.
    fn returns(&self, hide: &Call, message: &Message) -> Option<Duration> {
        let (_, secs) = hide.timeouts.iter().find(|(id, _)| *id == message.id)?;
        let time = Duration::from_secs(u64::try_from(*secs).unwrap());
        (time != self.evidence.record.plan.visibility).then_some(time)
    }

    /// Whether calls that settle were in trouble after the signal.
    fn is_troubled(&self, signalled: Instant) -> bool {
        let mut calls = self.evidence.record.calls.iter().filter(|call| {
            call.caller == self.process.name
                && call.answered.is_none_or(|answered| answered >= signalled)
        });
        let settles = |call: &Call| {
            matches!(call.operation.as_str(), "ChangeMessageVisibilityBatch" | "DeleteMessageBatch")
        };
        calls.any(|call| settles(call) && is_troubled(call))
    }

    /// After a kill everything comes back by its visibility timeout, or when its back-off ends.
    fn comes_back(&self) -> Option<String> {
        self.held().find_map(|(message, receive)| {
            let Visibility::Held { until } = message.visibility else { return None };
            let hide = self.hidden(message, receive, |_| true);
            let back_off = hide.and_then(|hide| self.returns(hide, message)).unwrap_or_default();
            let longest = back_off.max(self.evidence.record.plan.visibility);
            let away = until - self.ended.at;
            (until > self.ended.at + longest)
                .then(|| format!("ended, and {} stays away for {away:?}", message.id))
        })
    }
}
