//! Leases: a message that this process holds stays invisible to other receivers until it is
//! settled.
//!
//! # The life of a lease
//! SQS hides a received message for its visibility timeout, and then hands it out again. With a
//! timeout of 30 s, and a message that is deleted after 20 s:
//!
//! | at | what happens | state |
//! |---|---|---|
//! | 0 s | A poll brings the message. [`Leases::take`] begins the lease, which expires at 30 s. | `Held` |
//! | 15 s | Half of the timeout has passed. [`Leases::renew`] asks SQS to hide the message for another 30 s. | `Renewing` |
//! | 15.1 s | SQS has agreed. The lease expires at 45 s; the next renewal is due at 30 s. | `Held` |
//! | 20 s | The outcome is complete. A settler calls [`Lease::begin_settling`], which ends the renewals, and deletes the message. | `Settling` |
//! | 20.1 s | SQS has deleted it. [`Lease::end`] removes the lease. | |
//!
//! Other courses:
//! - The deletion fails at 21 s: [`Lease::resume_renewals`] makes the lease `Held` again, with its
//!   renewal due at 30 s as before.
//! - The deletion takes until 50 s, longer than the lease lasts: SQS may hand the message out
//!   again, to this process too. Then the lease takes the newer receipt and is `Redelivered`, and
//!   the message is deleted once more, by that receipt.
//! - SQS refuses the renewal, since the message is not in flight any more: the lease is `Lost`, and
//!   is not renewed any further. The work on the message goes on, and so does settling it.
//! - A panic drops the lease: it is sent to `reclaim`, which has the message retried.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use crate::aws::sqs::{Message, Receipt};
use crate::telemetry::metrics::Metrics;

use super::table::{State, Table};

/// The leases of all messages that this process holds.
#[derive(Debug)]
pub(crate) struct Leases {
    table: Mutex<Table>,
    /// Signalled when the renewal of a batch has ended, with or without success.
    pub(super) renewal_ended: Notify,
    /// Signalled when a lease that was being settled is to be renewed again, perhaps at once.
    pub(super) resumed: Notify,
    /// The visibility timeout that receives and renewals ask for.
    pub(super) visibility: Duration,
    /// Where leases are sent that are dropped before their message is settled.
    dropped: UnboundedSender<Lease>,
    pub(super) metrics: Arc<Metrics>,
}

/// The right to settle one message, and the duty to: a lease that is dropped before
/// [`Lease::end`] is sent to `reclaim`, which has the message retried.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The key of its entry in the table.
    number: u64,
    /// How often the message had been received when the lease began.
    receives: u32,
    leases: Arc<Leases>,
    /// The message's place among those that may be held at once; `None` once the lease has ended.
    room: Option<OwnedSemaphorePermit>,
}

impl Leases {
    /// A table without leases. Each lease lasts for `visibility` until it is renewed; one that is
    /// dropped unsettled is sent to `dropped`.
    pub(crate) fn new(
        visibility: Duration,
        dropped: UnboundedSender<Lease>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let table = Mutex::default();
        let (renewal_ended, resumed) = (Notify::new(), Notify::new());
        Arc::new(Self { table, renewal_ended, resumed, visibility, dropped, metrics })
    }

    /// Begins the lease of a message that was just received; `room` stays taken until the lease
    /// ends. If the message is held already, its lease takes the newer receipt, and the result is
    /// `None`.
    pub(crate) fn take(
        self: &Arc<Self>,
        message: &Message,
        room: OwnedSemaphorePermit,
    ) -> Option<Lease> {
        let mut table = self.table();
        if table.update_receipt(message, self.visibility) {
            return None;
        }
        let number = table.insert(message, self.visibility);
        let leases = Arc::clone(self);
        Some(Lease { number, receives: message.receives, leases, room: Some(room) })
    }

    /// How many messages are held.
    pub(crate) fn held(&self) -> usize {
        self.table().entries.len()
    }

    /// The receipts of all messages that are still held.
    pub(crate) fn remaining(&self) -> Vec<Receipt> {
        self.table().entries.values().map(|entry| entry.receipt.clone()).collect()
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// How often the message had been received when the lease began.
    pub(crate) fn receives(&self) -> u32 {
        self.receives
    }

    /// The newest receipt of the message.
    pub(crate) fn receipt(&self) -> Option<Receipt> {
        let table = self.leases.table();
        table.entries.get(&self.number).map(|entry| entry.receipt.clone())
    }

    /// How long the message stays invisible at most when the lease ends now.
    pub(crate) fn visibility(&self) -> Duration {
        self.leases.visibility
    }

    /// Ends the renewals, and returns the receipt to settle the message by.
    ///
    /// Waits for a renewal that is in flight. A renewal that is due is made first, since settling
    /// may take longer than the lease still lasts; if it has not been made by `deadline`, the
    /// message is settled without it.
    pub(crate) async fn begin_settling(&self, deadline: Instant) -> Receipt {
        loop {
            let renewal_ended = self.leases.renewal_ended.notified();
            tokio::pin!(renewal_ended);
            renewal_ended.as_mut().enable();
            let wants_renewal = Instant::now() < deadline;
            if let Some(receipt) = self.try_begin_settling(wants_renewal) {
                return receipt;
            }
            if wants_renewal {
                drop(tokio::time::timeout_at(deadline, renewal_ended).await);
            } else {
                renewal_ended.await;
            }
        }
    }

    fn try_begin_settling(&self, wants_renewal: bool) -> Option<Receipt> {
        let mut table = self.leases.table();
        let entry = table.entries.get_mut(&self.number)?;
        let is_due = entry.state == State::Held && entry.renew_at <= Instant::now();
        if entry.state == State::Renewing || (is_due && wants_renewal) {
            return None;
        }
        entry.state = State::Settling;
        Some(entry.receipt.clone())
    }

    /// Whether this process received the message again while it was being settled. Then SQS's
    /// answer does not count: it accepts a deletion by the older receipt, and keeps the message.
    pub(crate) fn was_redelivered(&self) -> bool {
        let table = self.leases.table();
        let entry = table.entries.get(&self.number);
        entry.is_some_and(|entry| entry.state == State::Redelivered)
    }

    /// Has the lease renewed again, after an attempt to settle the message failed.
    pub(crate) fn resume_renewals(&self) {
        if let Some(entry) = self.leases.table().entries.get_mut(&self.number)
            && matches!(entry.state, State::Settling | State::Redelivered)
        {
            entry.state = State::Held;
            self.leases.resumed.notify_one();
        }
    }

    /// Leaves the message to the last round of the drain; the lease is renewed until then.
    pub(crate) fn leave_to_last_round(mut self) {
        self.resume_renewals();
        self.room = None;
    }

    /// Ends the lease, because the message is settled.
    pub(crate) fn end(mut self) {
        self.leases.table().remove(self.number);
        self.room = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(room) = self.room.take() else { return };
        let leases = Arc::clone(&self.leases);
        let lease =
            Lease { number: self.number, receives: self.receives, leases, room: Some(room) };
        // Once `reclaim` has ended, the last round of the drain hands the message back.
        if let Err(mut unsent) = self.leases.dropped.send(lease) {
            unsent.0.room = None;
        }
    }
}
