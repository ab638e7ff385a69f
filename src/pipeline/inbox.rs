//! Deliveries that wait for their first look.

use tokio::sync::OwnedSemaphorePermit;

use crate::pipeline::delivery::Delivery;

/// A delivery that waits for an evaluator.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The delivery.
    pub(crate) delivery: Delivery,
    /// Its place in the inbox.
    pub(crate) place: Place,
}

/// A place in the inbox, which is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    /// Whether its message came with a full poll, so that the next poll will bring more at once.
    pub(crate) more_follow: bool,
}

impl Place {
    /// A place for a message of a poll.
    pub(crate) fn new(permit: OwnedSemaphorePermit, more_follow: bool) -> Self {
        Self { _permit: permit, more_follow }
    }
}
