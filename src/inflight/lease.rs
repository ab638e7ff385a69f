//! Keeps what is held invisible until it is settled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use crate::aws::sqs::{Message, Receipt};
use crate::telemetry::metrics::Metrics;

use super::table::{State, Table};

/// Every message that this process holds.
#[derive(Debug)]
pub(crate) struct Leases {
    table: Mutex<Table>,
    pub(super) renewed: Notify,
    /// A lease is to be renewed again, perhaps at once.
    pub(super) resumed: Notify,
    pub(super) visibility: Duration,
    abandoned: UnboundedSender<Lease>,
    pub(super) metrics: Arc<Metrics>,
}

/// The right to settle one message, and the duty: dropped unsettled, it goes to settle as a
/// return.
#[derive(Debug)]
pub(crate) struct Lease {
    number: u64,
    receives: u32,
    leases: Arc<Leases>,
    room: Option<OwnedSemaphorePermit>,
}

impl Leases {
    /// Leases of `visibility` each; what is dropped unsettled is sent to `abandoned`.
    pub(crate) fn new(
        visibility: Duration,
        abandoned: UnboundedSender<Lease>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let table = Mutex::default();
        let (renewed, resumed) = (Notify::new(), Notify::new());
        Arc::new(Self { table, renewed, resumed, visibility, abandoned, metrics })
    }

    /// Begins the lease of a message just received; `room` is held until it is settled. A message
    /// that is held already hands its newer receipt to that lease, and `None` comes back.
    pub(crate) fn take(
        self: &Arc<Self>,
        message: &Message,
        room: OwnedSemaphorePermit,
    ) -> Option<Lease> {
        let mut table = self.table();
        if table.renew_receipt(message, self.visibility) {
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

    /// The receipts of everything still held.
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

    /// Ends the renewals, waits for one in flight, and gives the receipt to settle with. One that
    /// is due comes first, unless it fails to come until `patience`: settling may take longer than
    /// what is left of the lease.
    pub(crate) async fn settling(&self, patience: Instant) -> Receipt {
        loop {
            let renewed = self.leases.renewed.notified();
            tokio::pin!(renewed);
            renewed.as_mut().enable();
            let is_patient = Instant::now() < patience;
            if let Some(receipt) = self.try_settling(is_patient) {
                return receipt;
            }
            if is_patient {
                drop(tokio::time::timeout_at(patience, renewed).await);
            } else {
                renewed.await;
            }
        }
    }

    fn try_settling(&self, is_patient: bool) -> Option<Receipt> {
        let mut table = self.leases.table();
        let entry = table.entries.get_mut(&self.number)?;
        let is_due = entry.state == State::Held && entry.renew_at <= Instant::now();
        if entry.state == State::Renewing || (is_due && is_patient) {
            return None;
        }
        entry.state = State::Settling;
        Some(entry.receipt.clone())
    }

    /// Whether the message was delivered again while it was being settled. SQS says yes to a
    /// deletion with the older receipt, and keeps the message.
    pub(crate) fn was_overtaken(&self) -> bool {
        let table = self.leases.table();
        let entry = table.entries.get(&self.number);
        entry.is_some_and(|entry| entry.state == State::Overtaken)
    }

    /// Takes the renewals up again, after settling failed for now.
    pub(crate) fn resume(&self) {
        if let Some(entry) = self.leases.table().entries.get_mut(&self.number)
            && matches!(entry.state, State::Settling | State::Overtaken)
        {
            entry.state = State::Held;
            self.leases.resumed.notify_one();
        }
    }

    /// Leaves the message to the last round of the drain, renewed until then.
    pub(crate) fn leave_to_last_round(mut self) {
        self.resume();
        self.room = None;
    }

    /// Ends the lease: the message is settled.
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
        // With nobody left to settle it, the end of the drain hands it back.
        if let Err(mut unsent) = self.leases.abandoned.send(lease) {
            unsent.0.room = None;
        }
    }
}
