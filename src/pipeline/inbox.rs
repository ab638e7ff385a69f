//! The inbox: deliveries that wait for their first look, and the places that they take.

use tokio::sync::OwnedSemaphorePermit;

use crate::pipeline::delivery::Delivery;

/// A delivery that waits for an evaluator.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The delivery that waits.
    pub(crate) delivery: Delivery,
    /// Its place among the `sizes.inbox` places of the inbox.
    pub(crate) place: Place,
}

/// A place in the inbox. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    /// Whether its message came with a full poll: then the queue has more messages, and the next
    /// poll will bring them at once.
    pub(crate) more_follow: bool,
}

impl Place {
    /// A place that a poller has reserved, now taken by a message.
    pub(crate) fn new(permit: OwnedSemaphorePermit, more_follow: bool) -> Self {
        Self { _permit: permit, more_follow }
    }
}
