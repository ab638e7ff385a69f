//! The two ways on for a delivery that a stage has finished with: to be settled at once, or after
//! its notice is published.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::outcome::Outcome;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::settle::Settlements;
use crate::retry::attempts::GaveUp;

/// Where a stage sends deliveries that it has finished with. Clones share the channels, which close
/// when the last one is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Exits {
    /// Where messages are settled.
    pub(crate) settlements: Arc<Settlements>,
    /// Where outcomes are sent that somebody must be told of.
    pub(crate) notices: UnboundedSender<(Delivery, Outcome)>,
}

impl Exits {
    /// Sends an outcome on to its notice; its message is deleted after that. A stop is remembered
    /// first, so that a redelivery of its event is not worked on again, but announced.
    pub(crate) fn announce(&self, delivery: Delivery, outcome: Outcome) {
        if outcome == Outcome::Stopped {
            delivery.claim.remember_stop();
        }
        // Closed only after all senders have ended.
        drop(self.notices.send((delivery, outcome)));
    }

    /// Ends deliveries whose attempts ended without success.
    pub(crate) fn give_up(&self, deliveries: Vec<Delivery>, why: GaveUp, reason: &'static str) {
        for delivery in deliveries {
            self.settlements.give_up(delivery, why, reason);
        }
    }
}
