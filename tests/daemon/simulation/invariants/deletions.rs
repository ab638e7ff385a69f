//! No lost violation: a message goes only when its outcome is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use super::stops::has_tag;
use crate::simulation::diary::{Copy, What};
use crate::simulation::evidence::Evidence;
use crate::simulation::result::{count_accepted, has_effect, is_answered};

/// So old must an event be before its instance counts as gone.
const CONSISTENCY: Duration = Duration::from_mins(5);
/// Times of events have whole seconds.
const PRECISION: Duration = Duration::from_secs(1);

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let sent = evidence.record.diary.sent.iter();
    let sent: BTreeMap<_, _> = sent.map(|sent| (sent.message.as_str(), &sent.what)).collect();
    let mut announced = Announced::new();
    for call in evidence.calls("DeleteMessageBatch") {
        for message in &call.subjects {
            let wrong = match sent[message.as_str()] {
                What::Noise(noise) => noise.is_rejected().then_some("a rejected message"),
                What::Event(copy) => {
                    let deletion = Deletion { evidence, delete: call, message, copy };
                    deletion.unjustified(&mut announced)
                }
            };
            if let Some(wrong) = wrong {
                let at = evidence.since(call.at);
                violations.push(format!("call {} at {at} deletes {wrong}: {message}", call.number));
            }
        }
    }
}

/// The events of an instance that a process took for announced, by process and instance.
type Announced<'r> = BTreeMap<(&'r str, &'r str), BTreeSet<&'r str>>;

/// A message of a sound event, and the call that deleted it.
struct Deletion<'e, 'r> {
    evidence: &'e Evidence<'r>,
    delete: &'r Call,
    message: &'e str,
    copy: &'r Copy,
}

impl<'r> Deletion<'_, 'r> {
    /// What is wrong with it, if anything is.
    fn unjustified(&self, announced: &mut Announced<'r>) -> Option<&'static str> {
        let Some(received) = self.evidence.received(self.message, &self.delete.caller) else {
            return Some("a message that it was never told of");
        };
        let received = self.worked_on_since(received);
        if self.is_exempt(received) || self.is_gone(received) {
            return None;
        }
        let events = announced.entry((self.delete.caller.as_str(), self.id())).or_default();
        events.insert(&self.copy.key);
        let accepted = accepted(self.evidence, self.id(), self.delete);
        (events.len() > accepted).then_some("a violation that SNS has not accepted a notice of")
    }

    /// Since when the process has worked on the event: another message of it may have come before,
    /// which this one joined if that one was not known to be deleted yet.
    fn worked_on_since(&self, received: Instant) -> Instant {
        let others = self.evidence.copies().filter(|(_, copy, _)| copy.key == self.copy.key);
        let joined = others.filter_map(|(other, ..)| {
            let first = self.evidence.received(&other.message, &self.delete.caller)?;
            let calls = self.evidence.by_message.get(other.message.as_str())?.iter();
            let mut deletions = calls.filter(|call| {
                call.operation == "DeleteMessageBatch"
                    && call.caller == self.delete.caller
                    && has_effect(call, &other.message)
            });
            let is_deleted = deletions.any(|call| call.answered.is_some_and(|at| at < received));
            (!is_deleted).then_some(first)
        });
        joined.min().map_or(received, |first| first.min(received))
    }

    /// How old the event is, as the oldest message of it tells that the process had.
    fn age_at(&self, at: Instant) -> Duration {
        let copies = self.evidence.copies().filter(|(other, copy, _)| {
            let caller = &self.delete.caller;
            copy.key == self.copy.key && self.evidence.received(&other.message, caller).is_some()
        });
        let ages = copies.map(|(_, copy, _)| copy.age_at(at));
        ages.chain([self.copy.age_at(at)]).max().unwrap()
    }

    fn id(&self) -> &'r str {
        &self.evidence.record.plan.instances[self.copy.instance].id
    }

    fn is_exempt(&self, received: Instant) -> bool {
        let calls = self.evidence.by_instance.get(self.id()).into_iter().flatten();
        let mut calls = calls.filter(|call| told_in_between(call, received, self.delete));
        calls.any(|call| call.seen_tags.get(self.id()).is_some_and(|keys| has_tag(keys)))
    }

    fn is_gone(&self, received: Instant) -> bool {
        let (id, delete) = (self.id(), self.delete);
        let is_old = |at: Instant| self.age_at(at) + PRECISION >= CONSISTENCY;
        let mut looks = self.evidence.looks_at(id).filter(|look| {
            look.caller() == delete.caller && look.at() >= received && look.ended() <= delete.at
        });
        let gone = looks.any(|look| match look.state(id) {
            Some(state) => matches!(state, "shutting-down" | "terminated"),
            None => look.is_complete() && is_old(look.ended()),
        });
        let calls = self.evidence.by_instance.get(id).into_iter().flatten();
        let mut unknown = calls.filter(|call| {
            call.caller == delete.caller
                && format!("{:?}", call.result).contains("InvalidInstanceID.NotFound")
        });
        gone || unknown.any(|call| call.answered.is_some_and(|at| at <= delete.at && is_old(at)))
    }
}

fn told_in_between(call: &Call, received: Instant, delete: &Call) -> bool {
    let told = |at: Instant| at >= received && at <= delete.at;
    is_answered(call) && call.caller == delete.caller && call.answered.is_some_and(told)
}

/// The notices about an instance that the process knows to be accepted.
fn accepted(evidence: &Evidence<'_>, id: &str, delete: &Call) -> usize {
    let about = format!("EC2 {id} ");
    let mut count = 0;
    for publish in evidence.publishes.iter().filter(|publish| publish.caller == delete.caller) {
        if publish.answered.is_some_and(|at| at <= delete.at) {
            count += count_accepted(publish, |text| text.starts_with(&about));
        }
    }
    count
}
