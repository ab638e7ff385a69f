//! The two ways in which a delivery leaves a stage for good: to the settlers, or to the notifiers,
//! which have it settled after its notice is published.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::outcome::Outcome;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::settle::Settlements;
use crate::retry::attempts::GaveUp;

/// Where a stage sends deliveries that it has finished with. Clones share the channels, which close
/// when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Exits {
    /// The channels to the settlers.
    pub(crate) settlements: Arc<Settlements>,
    /// The channel to the notifiers: deliveries whose outcome is to be announced.
    pub(crate) notices: UnboundedSender<(Delivery, Outcome)>,
}

impl Exits {
    /// Has an outcome announced, and then its message deleted. A stop is remembered before, so that
    /// a later message of the event goes straight to its notice, should this one be retried.
    pub(crate) fn announce(&self, delivery: Delivery, outcome: Outcome) {
        if outcome == Outcome::Stopped {
            delivery.claim.remember_stop();
        }
        // If the notifiers have been aborted, the delivery is dropped and handed back.
        drop(self.notices.send((delivery, outcome)));
    }

    /// Retries or hands back deliveries for which a call kept failing; `reason` is the word for the
    /// log.
    pub(crate) fn give_up(&self, deliveries: Vec<Delivery>, why: GaveUp, reason: &'static str) {
        for delivery in deliveries {
            self.settlements.give_up(delivery, why, reason);
        }
    }
}
