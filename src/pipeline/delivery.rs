//! One message with a sound event, on its way from receipt to settlement.

use std::collections::BTreeSet;

use crate::domain::event::StateChange;
use crate::domain::ids::InstanceId;
use crate::domain::policy::Decision;
use crate::inflight::dedup::Claim;
use crate::inflight::message::HeldMessage;
use crate::retry::delays;

/// A message whose event says that an instance runs, and everything needed to settle it.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// What the event says.
    pub(crate) change: StateChange,
    /// The message.
    pub(crate) message: HeldMessage,
    /// The right to work on the event.
    pub(crate) claim: Claim,
    /// What the policy said at the last look; `None` before the first.
    pub(crate) decision: Option<Decision>,
}

impl Delivery {
    /// A delivery that nobody has looked at yet.
    pub(crate) fn new(change: StateChange, message: HeldMessage, claim: Claim) -> Self {
        Self { change, message, claim, decision: None }
    }

    /// The delivery after a look at its instance.
    pub(crate) fn decided(self, decision: Decision) -> Self {
        Self { decision: Some(decision), ..self }
    }

    /// The instance that the event is about.
    pub(crate) fn instance(&self) -> &InstanceId {
        &self.change.key.instance
    }

    /// How often SQS has delivered the message.
    pub(crate) fn receives(&self) -> u32 {
        self.message.arrival.receives
    }

    /// Whether an instance that EC2 does not know may still turn up.
    pub(crate) fn may_turn_up(&self) -> bool {
        self.message.arrival.age() < delays::EC2_CONSISTENCY
    }
}

/// The distinct instances that deliveries are about.
pub(crate) fn instances(deliveries: &[Delivery]) -> BTreeSet<InstanceId> {
    deliveries.iter().map(|delivery| delivery.instance().clone()).collect()
}

/// Deliveries in two halves, no instance in both.
pub(crate) fn halves(deliveries: Vec<Delivery>) -> [Vec<Delivery>; 2] {
    let ids = instances(&deliveries);
    let middle = ids.iter().nth(ids.len() / 2);
    let lower = |delivery: &Delivery| Some(delivery.instance()) < middle;
    let (low, high) = deliveries.into_iter().partition(lower);
    [low, high]
}
