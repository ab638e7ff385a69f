//! No violation is lost: a message is deleted only when its outcome is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use super::stops::has_tag;
use crate::simulation::evidence::{CONSISTENCY, Evidence, PRECISION};
use crate::simulation::history::{Copy, What};
use crate::simulation::look::Look;
use crate::simulation::plan::Change;
use crate::simulation::policies::verdict::Judgement;
use crate::simulation::result::{count_accepted, has_effect, is_answered};
use crate::simulation::told::{is_end, planned};

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let sent = evidence.record.history.sent.iter();
    let sent: BTreeMap<_, _> = sent.map(|sent| (sent.message.as_str(), &sent.what)).collect();
    let mut announced = Announced::new();
    for call in evidence.calls("DeleteMessageBatch") {
        for message in &call.subjects {
            let wrong = match sent[message.as_str()] {
                What::Noise(noise) => noise.is_rejected().then_some("a rejected message"),
                What::Event(copy) if copy.is_of_tags => None,
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

/// How far apart two looks must be that do not show an instance.
const APART: Duration = Duration::from_mins(1);

/// The events whose messages a process deleted as announced, by process and instance.
type Announced<'r> = BTreeMap<(&'r str, &'r str), BTreeSet<&'r str>>;

/// A message of a valid event, and the call that deleted it.
struct Deletion<'e, 'r> {
    evidence: &'e Evidence<'r>,
    delete: &'r Call,
    message: &'e str,
    copy: &'r Copy,
}

impl<'r> Deletion<'_, 'r> {
    /// Why the message should not have been deleted, if it should not.
    fn unjustified(&self, announced: &mut Announced<'r>) -> Option<&'static str> {
        let Some(received) = self.evidence.received(self.message, &self.delete.caller) else {
            return Some("a message that it never received");
        };
        let received = self.worked_on_since(received);
        if self.is_gone(received) || self.is_not_needed() || self.does_not_run(received) {
            return None;
        }
        if self.is_spared(received) {
            let untold = "a planned one that is spared, which SNS has not accepted a notice of";
            return (!self.is_called_off(received)).then_some(untold);
        }
        let events = announced.entry((self.delete.caller.as_str(), self.id())).or_default();
        events.insert(&self.copy.key);
        let accepted = accepted(self.evidence, self.id(), self.delete);
        (events.len() > accepted).then_some("a violation that SNS has not accepted a notice of")
    }

    /// When the process began to work on the event. This message may have joined an earlier message
    /// of it, unless the process knew that one to be deleted when this one was received.
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

    /// How old the event is by the oldest of its messages that the process received.
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

    /// Whether a look showed that nothing is to be done about the instance, and nobody to be told.
    fn is_spared(&self, received: Instant) -> bool {
        if self.evidence.policies().is_none() {
            return self.is_exempt(received);
        }
        self.was_spared_in((received, self.delete.at))
    }

    /// The same by the looks between these moments, in a world with policies.
    fn was_spared_in(&self, during: (Instant, Instant)) -> bool {
        let (id, process) = (self.id(), self.delete.caller.as_str());
        let judged = self.evidence.judged(id, process, during);
        judged.iter().any(Judgement::is_silent) || self.evidence.was_exempt(id, process, during)
    }

    /// Whether the owner knows that the instance is not stopped: they were not told of a stop, or that
    /// it was called off. The deletion may have been decided on before they were told.
    fn is_called_off(&self, received: Instant) -> bool {
        let (evidence, id, caller) = (self.evidence, self.id(), &self.delete.caller);
        let known = |call: &Call| call.answered.is_some_and(|at| at <= self.delete.at);
        let told = evidence.told_by(caller, id).filter(|one| one.is_accepted && known(one.publish));
        let Some(last) = told.last() else { return true };
        let mut called_off = evidence.called_off_by(caller, id);
        let mut ends = evidence.publishes.iter().filter(|one| one.caller == *caller && known(one));
        let before = (received, last.publish.answered.unwrap());
        called_off.any(|one| one.is_accepted && known(one.publish) && one.at() >= last.at())
            || ends
                .any(|one| one.at >= last.at() && count_accepted(one, |text| is_end(text, id)) > 0)
            || self.was_stopped_by_its_owner()
            || self.was_spared_in(before)
    }

    /// Whether the owner stopped the instance: then it is found stopped, and nothing is said.
    fn was_stopped_by_its_owner(&self) -> bool {
        let mut changes = self.evidence.record.history.changes.iter();
        changes.any(|one| {
            one.instance == self.copy.instance
                && one.at <= self.delete.at
                && matches!(one.change, Change::Stop | Change::Terminate | Change::Forget)
        })
    }

    /// Whether a look showed that the instance does not run, which its owner had stopped within the
    /// grace of its policy; or the process, which told so by another event.
    fn does_not_run(&self, received: Instant) -> bool {
        let (id, process) = (self.id(), self.delete.caller.as_str());
        let judged = self.evidence.judged(id, process, (received, self.delete.at));
        judged.iter().any(|one| !one.runs && one.gives_grace())
            && (self.was_stopped_by_its_owner()
                || accepted(self.evidence, self.id(), self.delete) > 0)
    }

    /// Whether a message of another event waits for the stop of the instance, of which the process
    /// told its owner. Another process may have deleted that one.
    fn is_not_needed(&self) -> bool {
        let (id, caller) = (self.id(), &self.delete.caller);
        let known = |at: Option<Instant>| at.is_some_and(|at| at <= self.delete.at);
        let mut told = self.evidence.told_by(caller, id);
        let mut others = self
            .evidence
            .all_copies()
            .filter(|(_, copy, instance)| instance.id == id && copy.key != self.copy.key);
        told.any(|told| told.is_accepted && known(told.publish.answered))
            && others.any(|(other, ..)| {
                let calls = self.evidence.by_message.get(other.message.as_str());
                let mut own = calls.into_iter().flatten().filter(|call| call.caller == *caller);
                let deletes = |call: &&Call| {
                    call.operation == "DeleteMessageBatch" && call.at < self.delete.at
                };
                known(self.evidence.received(&other.message, caller)) && !own.any(deletes)
            })
    }

    fn is_exempt(&self, received: Instant) -> bool {
        let calls = self.evidence.by_instance.get(self.id()).into_iter().flatten();
        let mut calls = calls.filter(|call| answered_in_between(call, received, self.delete));
        calls.any(|call| call.seen_tags.get(self.id()).is_some_and(|keys| has_tag(keys)))
    }

    fn is_gone(&self, received: Instant) -> bool {
        let (id, delete) = (self.id(), self.delete);
        let mut looks = self.evidence.looks_at(id).filter(|look| {
            look.caller() == delete.caller && look.at() >= received && look.ended() <= delete.at
        });
        let is_terminated =
            |look: &Look<'_>| matches!(look.state(id), Some("shutting-down" | "terminated"));
        looks.any(is_terminated) || self.was_absent_twice(received)
    }

    /// Whether the process learned that EC2 does not know the instance twice, a minute apart, and
    /// the second time by an event that was old.
    fn was_absent_twice(&self, received: Instant) -> bool {
        let is_old = |at: Instant| self.age_at(at) + PRECISION >= CONSISTENCY;
        let absences = self.absences();
        absences.iter().any(|last| {
            *last >= received && is_old(*last) && absences.iter().any(|one| *one + APART <= *last)
        })
    }

    /// When the process learned that EC2 does not know the instance: from a look, or from a stop.
    fn absences(&self) -> Vec<Instant> {
        let (id, delete) = (self.id(), self.delete);
        let looks = self.evidence.looks_at(id).filter(|look| {
            look.caller() == delete.caller && look.is_complete() && look.state(id).is_none()
        });
        let calls = self.evidence.by_instance.get(id).into_iter().flatten();
        let unknown = calls.filter(|call| {
            call.caller == delete.caller
                && format!("{:?}", call.result).contains("InvalidInstanceID.NotFound")
        });
        let absences = looks.map(Look::ended).chain(unknown.filter_map(|call| call.answered));
        absences.filter(|at| *at <= delete.at).collect()
    }
}

fn answered_in_between(call: &Call, received: Instant, delete: &Call) -> bool {
    let in_between = |at: Instant| at >= received && at <= delete.at;
    is_answered(call) && call.caller == delete.caller && call.answered.is_some_and(in_between)
}

/// How many notices about an instance the process knew to be accepted when it deleted the message.
fn accepted(evidence: &Evidence<'_>, id: &str, delete: &Call) -> usize {
    let about = format!("EC2 {id} ");
    let mut count = 0;
    for publish in evidence.publishes.iter().filter(|publish| publish.caller == delete.caller) {
        if publish.answered.is_some_and(|at| at <= delete.at) {
            let ends = |text: &str| text.starts_with(&about) && planned(text).is_none();
            count += count_accepted(publish, ends);
        }
    }
    count
}
