//! After a drain nothing stays held, and after a kill everything becomes visible in time.

use std::time::Duration;

use ec2_policy_enforcer::daemon::Drained;
use ec2_policy_enforcer::sandbox::{Call, Message, Outcome, Visibility};
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::history::{Ended, Nature, Process};
use crate::simulation::result::{has_effect, is_answered, is_troubled};
use crate::simulation::told::Hiding;

const LAST_ROUND: Duration = Duration::from_secs(3);
/// The last wait of a poll may end a little after a short drain timeout.
const TOLERANCE: Duration = Duration::from_millis(100);

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for process in &evidence.record.history.processes {
        let Some(ended) = &process.ended else { continue };
        let end = End { evidence, process, ended };
        let gentle = process.signalled.filter(|_| !process.hurried);
        let wrong = match (gentle, &ended.drained) {
            (Some(signalled), Some(drained)) => end.drained_well(signalled, drained),
            _ => end.becomes_visible(),
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
    /// What is wrong with a drain.
    fn drained_well(&self, signalled: Instant, drained: &Drained) -> Option<String> {
        let received = |call: &&Call| call.caller == self.process.name && is_answered(call);
        self.evidence.calls("ReceiveMessage").find(received)?;
        let took = self.ended.at - signalled;
        if took > self.evidence.record.plan.drain_timeout + LAST_ROUND + TOLERANCE {
            return Some(format!("took {took:?} to drain"));
        }
        if let Some(poll) = self.stranding().filter(|_| drained.complete()) {
            let (number, messages) = (poll.number, &poll.subjects);
            return Some(format!("drained, and left poll {number} to receive {messages:?}"));
        }
        if drained.polls_cut_off > 0 && !self.polls().any(|poll| self.is_struck(poll)) {
            return Some(format!("cut off {} polls without need", drained.polls_cut_off));
        }
        let counted = drained.held;
        let held =
            self.held().filter(|(message, receive)| !self.is_retried(message, receive, signalled));
        let left: Vec<_> = held.map(|(message, _)| message.id.as_str()).collect();
        if left.len() > counted {
            return Some(format!("drained, counted {counted} as held, and left held {left:?}"));
        }
        (counted > 0 && !self.is_troubled(signalled))
            .then(|| format!("left {counted} held without need"))
    }

    fn polls(&self) -> impl Iterator<Item = &'e Call> {
        self.evidence.calls("ReceiveMessage").filter(|poll| poll.caller == self.process.name)
    }

    /// A poll that the process did not wait for, and that received messages. One that a fault held
    /// up may be given up.
    fn stranding(&self) -> Option<&'e Call> {
        self.polls().find(|poll| {
            let is_given_up = poll.result == Outcome::Abandoned && poll.acted.is_some();
            is_given_up && !poll.subjects.is_empty() && !self.is_struck(poll)
        })
    }

    fn is_struck(&self, call: &Call) -> bool {
        self.evidence.is_struck(call, Nature::Passing)
    }

    /// The messages of valid events that this process received last and that are still invisible.
    fn held(&self) -> impl Iterator<Item = (&'e Message, &'e Call)> {
        let rejected = self.evidence.record.history.rejected();
        let held = self.ended.messages.iter().filter(|message| message.is_held());
        let sound = held.filter(move |message| !rejected.contains(message.id.as_str()));
        sound.filter_map(|message| {
            let receive = self.last("ReceiveMessage", message, |_| true)?;
            (receive.caller == self.process.name && is_answered(receive))
                .then_some((message, receive))
        })
    }

    /// The last call about a message that had its effect before the end.
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

    /// The last change of a message's visibility since it was received.
    fn last_change(
        &self,
        message: &Message,
        receive: &Call,
        by: impl Fn(&Call) -> bool,
    ) -> Option<&'e Call> {
        self.last("ChangeMessageVisibilityBatch", message, |call| {
            by(call) && call.effect > receive.effect && has_effect(call, &message.id)
        })
    }

    /// Whether the last that the process knows of a message is that it is hidden until the stop of its
    /// instance, or a retry that it asked for before the signal. A renewal that SQS carries out after the process gave it up hides the message again.
    fn is_retried(&self, message: &Message, receive: &Call, signalled: Instant) -> bool {
        let is_awaited = |call: &Call| call.result != Outcome::Abandoned;
        let change = self.last_change(message, receive, |call| {
            call.caller == self.process.name && is_awaited(call)
        });
        change.is_some_and(|change| {
            let is_asked_before =
                change.at <= signalled && self.retry_delay(change, message).is_some();
            is_asked_before || self.evidence.hiding(change, &message.id) != Hiding::No
        })
    }

    /// The delay of a retry. None if the call is a renewal, which asks for the visibility timeout.
    fn retry_delay(&self, change: &Call, message: &Message) -> Option<Duration> {
        let (_, secs) = change.timeouts.iter().find(|(id, _)| *id == message.id)?;
        let time = Duration::from_secs(u64::try_from(*secs).unwrap());
        (time != self.evidence.record.plan.visibility).then_some(time)
    }

    /// Whether calls that settle messages failed or were slow after the signal.
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

    /// After a kill, every message becomes visible when its visibility timeout or the delay of its
    /// retry ends.
    fn becomes_visible(&self) -> Option<String> {
        self.held().find_map(|(message, receive)| {
            let Visibility::Held { until } = message.visibility else { return None };
            let change = self.last_change(message, receive, |_| true);
            let back_off =
                change.and_then(|change| self.retry_delay(change, message)).unwrap_or_default();
            let longest = back_off.max(self.evidence.record.plan.visibility);
            let away = until - self.ended.at;
            (until > self.ended.at + longest)
                .then(|| format!("ended, and {} stays invisible for {away:?}", message.id))
        })
    }
}
