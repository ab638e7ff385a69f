//! A message is retried only where a later time or another process can do better, and with no
//! longer delay than its number of receives calls for.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Outcome, Service};
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::history::{Copy, Nature, Sent};
use crate::simulation::look::Look;
use crate::simulation::policies::verdict::{Judgement, Verdict};
use crate::simulation::result::{is_answered, is_troubled};
use crate::simulation::stays::{End, Stay, stays};
use crate::simulation::told::Hiding;

/// The delay for an instance that EC2 does not know, or shows as stopped, which may lag behind.
const ABSENT: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_mins(15);
/// The age of a start from which on its stop is planned, and what times may be off.
const PLANNING: Duration = Duration::from_secs(124);
/// Within which a panic has messages retried, unless calls that settle messages fail or hang.
const SOON: Duration = Duration::from_secs(1);
const HANG: Duration = Duration::from_secs(15);
/// The error code by which EC2 throttles. The daemon waits then, and retries nothing.
const THROTTLED: &str = "RequestLimitExceeded";

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for (sent, copy, instance) in evidence.copies() {
        for stay in stays(evidence, sent) {
            let about = (sent.message.as_str(), instance.id.as_str());
            let Some(retry) = Retry::of(evidence, stay, about) else { continue };
            if evidence.hiding(retry.by, &sent.message) != Hiding::No {
                continue;
            }
            if retry.is_sound() || retry.joined_a_sound_one(sent, copy) {
                continue;
            }
            let (number, message, after) = (retry.by.number, &sent.message, retry.after);
            let how = if retry.is_too_long() { "for too long" } else { "without need" };
            violations.push(format!("call {number} retries {message} {how}, after {after:?}"));
        }
    }
}

/// A stay of a message that ended in a retry.
struct Retry<'c, 'r> {
    evidence: &'c Evidence<'r>,
    stay: Stay<'c>,
    by: &'c Call,
    after: Duration,
    message: &'c str,
    id: &'c str,
}

impl<'c, 'r> Retry<'c, 'r> {
    fn of(
        evidence: &'c Evidence<'r>,
        stay: Stay<'c>,
        (message, id): (&'c str, &'c str),
    ) -> Option<Self> {
        let Some((_, End::Retried { by, after })) = stay.end else { return None };
        Some(Self { evidence, stay, by, after, message, id })
    }

    /// Whether the retry was right for this message by itself.
    fn is_sound(&self) -> bool {
        !self.is_too_long() && self.is_justified()
    }

    /// Whether this message had joined another one of the same event, for which the process asked
    /// for the same retry, and was right to, while it held this one. SQS may have refused that
    /// retry, where the other message's lease was lost.
    fn joined_a_sound_one(&self, sent: &Sent, copy: &Copy) -> bool {
        let mut others = self.evidence.copies().filter(|(other, duplicate, _)| {
            other.message != sent.message && duplicate.key == copy.key
        });
        others.any(|(other, ..)| {
            let retries: Vec<_> = self.same_retries_of(other).collect();
            stays(self.evidence, other).into_iter().any(|stay| {
                let mut during =
                    retries.iter().filter(|by| stay.end.is_none_or(|(at, _)| by.at <= at));
                during.any(|by| {
                    Retry { by, stay: stay.clone(), message: &other.message, ..*self }.is_sound()
                })
            })
        })
    }

    /// The calls by which the process asked to retry another message with the same delay while it
    /// held this one.
    fn same_retries_of(&self, other: &Sent) -> impl Iterator<Item = &'r Call> {
        let seconds = i64::try_from(self.after.as_secs()).unwrap();
        self.evidence.calls("ChangeMessageVisibilityBatch").filter(move |call| {
            let mut timeouts = call.timeouts.iter();
            self.ends_with(call)
                && timeouts.any(|(id, hidden)| *id == other.message && *hidden == seconds)
        })
    }

    /// Whether the process asked for a retry while it held this message. It may have received this
    /// one while that call was in flight.
    fn ends_with(&self, by: &Call) -> bool {
        let is_over = by.answered.is_some_and(|at| at < self.began());
        by.caller == self.by.caller && by.at <= self.by.at && !is_over
    }

    fn is_too_long(&self) -> bool {
        self.after > self.longest()
    }

    /// The longest delay: 10 s, doubled with each receive, and up to 20 % more by jitter.
    fn longest(&self) -> Duration {
        let doublings = self.stay.receives.saturating_sub(1).min(16);
        let longest = (Duration::from_secs(12) * 2_u32.pow(doublings)).min(LONGEST);
        if self.is_to_be_planned() {
            longest.max(PLANNING)
        } else if self.is_unknown() || self.may_lag() {
            longest.max(ABSENT)
        } else {
            longest
        }
    }

    fn is_unknown(&self) -> bool {
        let mut stops = self.evidence.by_instance.get(self.id).into_iter().flatten();
        let not_found = |call: &Call| matches!(&call.result, Outcome::Failed { code } if code.ends_with("NotFound"));
        self.looks().any(|look| look.is_complete() && look.state(self.id).is_none())
            || stops.any(|stop| self.is_during(stop) && not_found(stop))
    }

    /// Whether a look showed the instance as stopped.
    fn may_lag(&self) -> bool {
        self.looks().any(|look| matches!(look.state(self.id), Some("stopping" | "stopped")))
    }

    fn is_justified(&self) -> bool {
        let process = self.evidence.process(&self.by.caller);
        let drains = process.signalled.is_some_and(|at| at <= self.by.at);
        let not_running =
            |look: &Look<'_>| look.is_complete() && look.state(self.id) != Some("running");
        let mut calls = self.evidence.record.calls.iter();
        drains
            || self.is_undecided()
            || self.is_to_be_planned()
            || self.looks().any(not_running)
            || calls.any(|call| self.is_during(call) && self.fails(call))
            || self.has_panicked()
    }

    /// Whether the two readings of the tags may have disagreed, or the policies changed in between.
    fn is_undecided(&self) -> bool {
        let during = (self.began(), self.by.at);
        let reloaded = self.evidence.record.history.reloaded;
        let judged = self.evidence.judged(self.id, &self.by.caller, during);
        reloaded.is_some_and(|at| during.0 <= at && at <= during.1)
            || judged.iter().any(|one| one.verdict == Verdict::Disagree)
    }

    /// Whether the instance is to be stopped, but not at once, so that its owner is told: by this
    /// message when the start is two minutes old, or by another one. The retry may have been asked
    /// for in vain for so long that the message came again meanwhile.
    fn is_to_be_planned(&self) -> bool {
        let process = &self.by.caller;
        let Some(since) = self.evidence.received(self.message, process) else { return false };
        let judged = self.evidence.judged(self.id, process, (since, self.by.at));
        judged.iter().any(Judgement::gives_grace)
    }

    /// Whether this call named the instance and failed. A poison fault of another instance in the
    /// same call does not count, nor does a throttled call to EC2.
    fn fails(&self, call: &Call) -> bool {
        let about = format!("EC2 {} ", self.id);
        let names = |subject: &String| subject == self.id || subject.starts_with(&about);
        let others_fault = self.evidence.is_struck(call, Nature::Poison)
            && call.subjects.len() > 1
            && !self.evidence.is_struck(call, Nature::Passing);
        let unmentioned =
            call.operation == "StopInstances" && !call.seen_states.contains_key(self.id);
        let is_throttled = matches!(&call.result, Outcome::Failed { code } if code == THROTTLED);
        let failed = call.failed.iter().any(|(subject, _)| names(subject));
        call.subjects.iter().any(names)
            && (!is_answered(call) || failed || unmentioned)
            && !others_fault
            && !is_throttled
    }

    /// Whether a batch panicked just before, while the process held the message. A panic drops all
    /// that its task works on, and not only what its last call named.
    fn has_panicked(&self) -> bool {
        let target = self.evidence.target_of(self.message);
        let mut calls = self.evidence.record.calls.iter().filter(|call| {
            call.caller == self.by.caller
                && self.evidence.is_struck(call, Nature::Panicking)
                && (call.service == Service::Sns || Some((&*call.account, &*call.region)) == target)
        });
        calls.any(|call| {
            call.closed.is_some_and(|at| self.began() <= at && at <= self.by.at && self.is_soon(at))
        })
    }

    /// Whether the retry was asked for as soon after this moment as other settling calls allowed.
    fn is_soon(&self, panicked: Instant) -> bool {
        let calls = ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"];
        let mut calls = calls.into_iter().flat_map(|operation| self.evidence.calls(operation));
        let held_up = |call: &Call| {
            call.caller == self.by.caller
                && call.at <= self.by.at
                && call.closed.is_none_or(|closed| closed + HANG >= panicked)
                && is_troubled(call)
        };
        self.by.at <= panicked + SOON || calls.any(held_up)
    }

    fn looks(&self) -> impl Iterator<Item = &Look<'r>> {
        self.evidence.looks_at(self.id).filter(|look| self.is_during(look.pages[0]))
    }

    /// Whether the process made a call while it held the message.
    fn is_during(&self, call: &Call) -> bool {
        call.caller == self.by.caller && call.at >= self.began() && call.at <= self.by.at
    }

    /// When the process may have begun to decide. A renewal that SQS carried out late can have made
    /// the message visible earlier than the time-out of its last one says.
    fn began(&self) -> Instant {
        self.stay.holder.map_or(self.stay.decided, |(_, at)| self.stay.decided.min(at))
    }
}
