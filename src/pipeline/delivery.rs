//! A delivery: an instance that is to be worked on, on its way through the pipeline, with the message
//! that asked for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use time::UtcDateTime;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::domain::event::Event;
use crate::domain::ids::InstanceId;
use crate::domain::notice::told;
use crate::domain::outcome::Outcome;
use crate::domain::policy::Policies;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::digest::Digest;
use crate::domain::policy::facts::{Facts, Tags};
use crate::domain::policy::reads::Reads;
use crate::inflight::dedup::Claim;
use crate::inflight::message::Arrival;
use crate::inflight::plans::{CallingOff, Telling};
use crate::pipeline::held::Counted;
use crate::pipeline::nomination::Tells;
use crate::pipeline::origin::Origin;
use crate::pipeline::trial::Trial;
use crate::pipeline::untold::Untold;
use crate::retry::delays;
use crate::runtime::clock::Moment;

/// An instance that is looked at after an event or by a sweep, and what is needed to settle that.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// What the event says.
    pub(crate) event: Event,
    /// The message with its lease, or the sweep that found the instance.
    pub(crate) origin: Origin,
    /// The sole right to work on the event, and the messages that have joined.
    pub(crate) claim: Claim,
    /// What the policies said at the last look at the instance; `None` before that.
    pub(crate) decision: Option<Arc<Decision>>,
    /// What DescribeTags showed of the instance.
    pub(crate) first_look: FirstLook,
    /// What the last look with DescribeInstances showed; `None` before that, or if EC2 did not
    /// know the instance.
    pub(crate) second_look: Option<Shown>,
    /// The code of the error with which EC2 failed at the last receive of the message; `None`
    /// unless the owner is to be told of it.
    pub(crate) failure: Option<String>,
    /// What goes on while the delivery does.
    pub(crate) rights: Rights,
    /// The right to tell its owner of a planned stop, or that it will not take place.
    pub(crate) promise: Option<Promise>,
    /// Whether the event itself says that the instance is exempt now. EC2 is asked all the same.
    pub(crate) is_said_exempt: bool,
}

/// What goes on while a delivery does.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "held, not read")]
pub(crate) struct Rights {
    /// The trial by which the instance was stopped.
    trial: Option<Trial>,
    /// Its part of what its target holds.
    share: Option<Counted>,
    /// Its turn among the instances that a sweep found: the next one comes when this is dropped.
    turn: Option<OwnedSemaphorePermit>,
    /// Its place among the notices of sweeps that wait.
    notice: Option<OwnedSemaphorePermit>,
    /// A stop was sent of what a sweep found, whose owner is to be told.
    untold: Option<Untold>,
}

/// The rights of an instance that a sweep found.
#[derive(Debug)]
pub(crate) struct SweepRights {
    /// Its turn: the next instance comes when this is dropped.
    pub(crate) turn: OwnedSemaphorePermit,
    /// Its place among the notices of sweeps that wait; `None` where there was none for long.
    pub(crate) notice: Option<OwnedSemaphorePermit>,
}

/// The sole right to tell an owner something about a planned stop.
#[derive(Debug)]
pub(crate) enum Promise {
    /// That there will be one.
    Telling(Telling),
    /// That there will be none.
    CallingOff(CallingOff),
}

/// What DescribeInstances showed of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// When the call was sent.
    pub(crate) at: Moment,
    /// What it showed, as far as policies read it.
    pub(crate) facts: Arc<Facts>,
    /// The policies by which the instance was judged.
    pub(crate) policies: Digest,
}

/// What DescribeTags showed of an instance.
#[derive(Clone, Debug)]
pub(crate) struct FirstLook {
    /// When that was; before the look, when the message came.
    pub(crate) at: Instant,
    /// The tags, as far as policies mention them.
    pub(crate) tags: Tags,
    /// What was read of the instance; `None` before the look. A reload may want more.
    pub(crate) reads: Option<Arc<Reads>>,
    /// The policies that were in effect; `None` before the look.
    pub(crate) policies: Option<Digest>,
}

impl FirstLook {
    /// No look yet.
    fn none() -> Self {
        Self { at: Instant::now(), tags: Tags::new(), reads: None, policies: None }
    }

    /// Whether the look shows all tags that are to be read.
    pub(crate) fn shows_all_of(&self, wanted: &Reads) -> bool {
        self.reads.as_ref().is_some_and(|reads| wanted.tags.is_subset(&reads.tags))
    }

    /// A look by which was read what these policies want.
    pub(crate) fn now(tags: Tags, policies: &Policies) -> Self {
        let (reads, policies) = (Some(Arc::clone(policies.reads())), Some(policies.digest()));
        Self { at: Instant::now(), tags, reads, policies }
    }
}

impl Delivery {
    /// A delivery whose instance has not been looked at.
    pub(crate) fn new(event: Event, origin: impl Into<Origin>, claim: Claim) -> Self {
        let first_look = FirstLook::none();
        Self {
            event,
            origin: origin.into(),
            claim,
            decision: None,
            first_look,
            second_look: None,
            failure: None,
            rights: Rights::default(),
            promise: None,
            is_said_exempt: false,
        }
    }

    /// The delivery with what the policies said of its instance.
    pub(crate) fn decided(self, decision: Arc<Decision>) -> Self {
        Self { decision: Some(decision), ..self }
    }

    /// The delivery with what DescribeTags showed of its instance.
    pub(crate) fn seen(self, first_look: FirstLook) -> Self {
        Self { first_look, ..self }
    }

    /// The delivery with the code of EC2's error, of which its owner is to be told.
    pub(crate) fn failed_with(self, code: &str) -> Self {
        Self { failure: Some(code.to_owned()), ..self }
    }

    /// The delivery of an instance that was stopped by a trial, or without one.
    pub(crate) fn stopped_by(self, trial: Option<Trial>) -> Self {
        Self { rights: Rights { trial, ..self.rights }, ..self }
    }

    /// The delivery as a part of what its target holds.
    pub(crate) fn counted(self, share: Counted) -> Self {
        Self { rights: Rights { share: Some(share), ..self.rights }, ..self }
    }

    /// The delivery of an instance that a sweep found, in its turn.
    pub(crate) fn in_turn(self, SweepRights { turn, notice }: SweepRights) -> Self {
        let rights = Rights { turn: Some(turn), notice, ..self.rights };
        Self { rights, ..self }
    }

    /// Notes that a stop of the instance is sent. Where a sweep found it, its owner hears of that, or
    /// the log says that they do not.
    pub(crate) fn stop_is_sent(&mut self) {
        if self.origin.nomination().is_some() && self.rights.untold.is_none() {
            self.rights.untold = Some(Untold::of(&self.event.key));
        }
    }

    /// Notes that a stop did not stop the instance. An earlier one that EC2 has not answered may have.
    pub(crate) fn was_not_stopped(&mut self) {
        if self.claim.has_sent_stop() {
            return;
        }
        if let Some(untold) = self.rights.untold.take() {
            untold.settled();
        }
    }

    /// What is left to be said of a stop.
    pub(crate) fn take_untold(&mut self) -> Option<Untold> {
        self.rights.untold.take()
    }

    /// The same delivery, whose turn is over.
    pub(crate) fn turn_over(self) -> Self {
        Self { rights: Rights { turn: None, ..self.rights }, ..self }
    }

    /// The same delivery, which waits for long: neither the sweep that found it nor others wait for it.
    pub(crate) fn parked(self) -> Self {
        Self { rights: Rights { turn: None, notice: None, ..self.rights }, ..self }
    }

    /// The delivery with the right to tell its owner something about a planned stop.
    pub(crate) fn promising(self, promise: Promise) -> Self {
        Self { promise: Some(promise), ..self }
    }

    /// The instance that the event is about.
    pub(crate) fn instance(&self) -> &InstanceId {
        &self.event.key.instance
    }

    /// Who owns the instance: the value of the first of these tags that it has, by the last look
    /// that showed it.
    pub(crate) fn owner(&self, keys: &[String]) -> String {
        let second = self.second_look.iter().map(|shown| &shown.facts.tags);
        let looks: Vec<_> = second.chain([&self.first_look.tags]).collect();
        told::owner(&looks, keys)
    }

    /// When the instance was last started; `None` where no look has shown it.
    pub(crate) fn launched(&self) -> Option<UtcDateTime> {
        let shown = self.second_look.as_ref().and_then(|shown| shown.facts.launched());
        match &self.promise {
            Some(Promise::CallingOff(calling_off)) => shown.or(calling_off.launched),
            _ => shown.or(self.origin.nomination().map(|nomination| nomination.launched)),
        }
    }

    /// When the message was received, or the instance nominated.
    pub(crate) fn arrival(&self) -> &Arrival {
        self.origin.arrival()
    }

    /// The sense of what its owner is told of this outcome, by which a repeat of it is known.
    pub(crate) fn sense(&self, outcome: Outcome) -> String {
        let tells = self.origin.nomination().map(|nomination| nomination.tells);
        match (outcome, tells) {
            (Outcome::Expiring(end), Some(Tells::Expiry { ahead, .. })) => {
                told::expiry_sense(end, ahead)
            }
            // A launch is stopped once.
            (Outcome::Stopped, _) => told::sense(outcome, None),
            _ => told::sense(outcome, self.decision.as_deref()),
        }
    }

    /// The end of the exemption that its owner is to be told of; `None` if there is none, or another
    /// one by now.
    pub(crate) fn expires(&self) -> Option<UtcDateTime> {
        let Tells::Expiry { end, .. } = self.origin.nomination()?.tells else { return None };
        (self.decision.as_ref()?.exemption.ends() == Some(end)).then_some(end)
    }

    /// How often SQS has delivered the message; 0 where there is none.
    pub(crate) fn receives(&self) -> u32 {
        self.arrival().receives
    }

    /// Whether the event is under 5 minutes old, so that EC2's answers may show what was before it.
    /// A sweep leaves such instances to their events.
    pub(crate) fn is_recent(&self) -> bool {
        self.is_younger_than(delays::EC2_CONSISTENCY)
    }

    /// Whether the event is younger than this. What a sweep finds has run for longer.
    pub(crate) fn is_younger_than(&self, age: Duration) -> bool {
        matches!(self.origin, Origin::Message(_)) && self.arrival().age() < age
    }
}

/// The instances that deliveries are about, each once.
pub(crate) fn instances(deliveries: &[Delivery]) -> BTreeSet<InstanceId> {
    deliveries.iter().map(|delivery| delivery.instance().clone()).collect()
}

/// Splits deliveries into two halves with different instances.
pub(crate) fn halves(deliveries: Vec<Delivery>) -> [Vec<Delivery>; 2] {
    let ids = instances(&deliveries);
    let middle = ids.iter().nth(ids.len() / 2);
    let lower = |delivery: &Delivery| Some(delivery.instance()) < middle;
    let (low, high) = deliveries.into_iter().partition(lower);
    [low, high]
}
