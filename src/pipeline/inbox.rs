//! Messages that wait to be looked up.

use tokio::sync::OwnedSemaphorePermit;

use crate::pipeline::delivery::Delivery;

/// A delivery that waits for a evaluator, and its place in the inbox.
#[derive(Debug)]
pub struct Waiting {
    /// What waits.
    pub delivery: Delivery,
    /// Its place.
    pub place: Place,
}

/// A place in the inbox, free again when a evaluator takes who waits there.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    /// Whether the poll was full, so that the next one brings more at once.
    pub has_followers: bool,
}

impl Place {
    pub(super) fn new(permit: OwnedSemaphorePermit, has_followers: bool) -> Self {
        Self { _permit: permit, has_followers }
    }
}
