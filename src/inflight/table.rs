//! What is known of each lease, and the states that a lease passes through.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::sqs::{Message, Receipt};

/// The leases of all messages that this process holds.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The number of the next lease. No number is given twice, so that a late answer about a lease
    /// that has ended changes no other one.
    next: u64,
    pub(super) entries: BTreeMap<u64, Entry>,
    /// The number of the lease of each SQS message id.
    by_message: HashMap<String, u64>,
}

/// What is known of one lease.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message_id: String,
    /// The newest receipt: SQS may refuse older ones.
    pub(super) receipt: Receipt,
    /// When this receipt was given. SQS hides the message for at most 12 h from then.
    pub(super) since: Instant,
    /// When the renewal is due: half a visibility timeout after the receive or the last renewal.
    pub(super) renew_at: Instant,
    /// When SQS hands the message out again, unless the lease is renewed.
    pub(super) expires: Instant,
    pub(super) state: State,
}

/// What is being done with a leased message. `lease.rs` has an example with times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is being worked on. Becomes `Renewing` when a renewal is due, and `Settling` when a
    /// settler takes it.
    Held,
    /// A renewal is in flight, and whoever wants to settle the message waits for its end. Becomes
    /// `Held` again, or `Lost` if SQS refuses.
    Renewing,
    /// A deletion or a change of its visibility is in flight, and the lease is not renewed. The
    /// entry is removed once SQS has accepted that, and becomes `Held` again after a failure.
    Settling,
    /// The message was received again while it was `Settling` by its older receipt. SQS's answer
    /// about that receipt does not count: it becomes `Held`, and is settled by the newer one.
    Redelivered,
    /// SQS hides the message no longer: it refused the renewal, or 12 h have passed. It is not
    /// renewed any more. Becomes `Held` if this process receives the message again, and `Settling`
    /// when the work on it is done.
    Lost,
}

impl Table {
    /// Adds the lease of a message that was received just now, and returns its number.
    pub(super) fn insert(&mut self, message: &Message, visibility: Duration) -> u64 {
        let number = self.next;
        self.next += 1;
        self.by_message.insert(message.id.clone(), number);
        self.entries.insert(number, Entry::new(message, visibility));
        number
    }

    /// Puts the receipt of this receive into the lease of a message that is held already; returns
    /// whether there is one.
    pub(super) fn update_receipt(&mut self, message: &Message, visibility: Duration) -> bool {
        let Some(number) = self.by_message.get(&message.id) else { return false };
        let Some(entry) = self.entries.get_mut(number) else { return false };
        let state = match entry.state {
            State::Lost => State::Held,
            State::Settling => State::Redelivered,
            other => other,
        };
        *entry = Entry { state, ..Entry::new(message, visibility) };
        true
    }

    /// Removes the lease of a message that is settled.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(&number) {
            self.by_message.remove(&entry.message_id);
        }
    }
}

impl Entry {
    fn new(message: &Message, visibility: Duration) -> Self {
        let now = Instant::now();
        Self {
            message_id: message.id.clone(),
            receipt: message.receipt.clone(),
            since: now,
            renew_at: now + visibility / 2,
            expires: now + visibility,
            state: State::Held,
        }
    }
}
