//! Keeps what is held invisible until it is settled.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::alive;
use crate::aws::error::{Class, Failure};
use crate::aws::sqs::{BATCH_LIMIT, Message, Queue, Receipt};

/// SQS hides a message for at most 12 h from its receipt; the margin covers the call itself.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60 - 10);
/// Renewals never come more often than this.
const ROUND: Duration = Duration::from_secs(1);

/// Every message that this process holds.
#[derive(Debug)]
pub struct Leases {
    table: Mutex<Table>,
    renewed: Notify,
    visibility: Duration,
    abandoned: UnboundedSender<Lease>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    entries: BTreeMap<u64, Entry>,
    by_message: HashMap<String, u64>,
}

#[derive(Debug)]
struct Entry {
    message_id: String,
    receipt: Receipt,
    since: Instant,
    renew_at: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Held,
    Renewing,
    Settling,
    Lost,
}

/// The right to settle one message, and the duty: dropped unsettled, it goes to settle as a
/// return.
#[derive(Debug)]
pub struct Lease {
    number: u64,
    receives: u32,
    leases: Arc<Leases>,
    room: Option<OwnedSemaphorePermit>,
}

impl Leases {
    /// Leases of `visibility` each; what is dropped unsettled is sent to `abandoned`.
    pub fn new(visibility: Duration, abandoned: UnboundedSender<Lease>) -> Arc<Self> {
        let table = Mutex::default();
        Arc::new(Self { table, renewed: Notify::new(), visibility, abandoned })
    }

    /// Begins the lease of a message just received; `room` is held until it is settled. A message
    /// that is held already hands its newer receipt to that lease, and `None` comes back.
    pub fn take(self: &Arc<Self>, message: &Message, room: OwnedSemaphorePermit) -> Option<Lease> {
        let mut table = self.table();
        if table.renew_receipt(message, self.visibility) {
            return None;
        }
        let number = table.insert(message, self.visibility);
        let leases = Arc::clone(self);
        Some(Lease { number, receives: message.receives, leases, room: Some(room) })
    }

    /// Renews what is due, round by round, for ever.
    pub async fn renew(&self, queue: &Queue) {
        loop {
            let until_due = self.until_due();
            alive::within(until_due);
            tokio::time::sleep(until_due).await;
            let due = self.due();
            for entries in due.chunks(BATCH_LIMIT) {
                self.renew_batch(queue, entries).await;
            }
        }
    }

    /// The receipts of everything still held.
    pub fn remaining(&self) -> Vec<Receipt> {
        self.table().entries.values().map(|entry| entry.receipt.clone()).collect()
    }

    fn until_due(&self) -> Duration {
        let table = self.table();
        let held = table.entries.values().filter(|entry| entry.state == State::Held);
        let due = held.map(|entry| entry.renew_at).min();
        due.map_or(ROUND, |at| at.saturating_duration_since(Instant::now())).max(ROUND)
    }

    fn due(&self) -> Vec<(u64, Receipt, Duration)> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (number, entry) in &mut self.table().entries {
            if entry.state != State::Held || entry.renew_at > now {
                continue;
            }
            let left = LONGEST.saturating_sub(entry.since.elapsed());
            if left < ROUND {
                entry.state = State::Lost;
                continue;
            }
            entry.state = State::Renewing;
            due.push((*number, entry.receipt.clone(), self.visibility.min(left)));
        }
        due
    }

    async fn renew_batch(&self, queue: &Queue, due: &[(u64, Receipt, Duration)]) {
        let _ended = EndOfRenewal { leases: self, due };
        let started = Instant::now();
        let times: Vec<_> = due.iter().map(|(_, receipt, time)| (receipt.clone(), *time)).collect();
        match queue.hide(&times).await {
            Err(failure) => warn!(error = %failure, messages = due.len(), "cannot renew leases"),
            Ok(results) => {
                for ((number, receipt, _), result) in due.iter().zip(results) {
                    self.renewed(*number, receipt, started, result);
                }
            }
        }
    }

    fn renewed(&self, number: u64, receipt: &Receipt, at: Instant, result: Result<(), Failure>) {
        let mut table = self.table();
        let Some(entry) = table.entries.get_mut(&number) else { return };
        match result {
            Ok(()) => {
                entry.renew_at = at + self.visibility / 2;
                debug!(message.id = entry.message_id, "renewed the lease");
            }
            Err(failure) if failure.class == Class::LeaseLost && entry.receipt == *receipt => {
                entry.state = State::Lost;
                warn!(message.id = entry.message_id, error = %failure, "lost the lease");
            }
            Err(failure) => {
                warn!(message.id = entry.message_id, error = %failure, "cannot renew the lease");
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the renewal of a batch however it went, so that nobody waits for it for ever.
struct EndOfRenewal<'renewal> {
    leases: &'renewal Leases,
    due: &'renewal [(u64, Receipt, Duration)],
}

impl Drop for EndOfRenewal<'_> {
    fn drop(&mut self) {
        let mut table = self.leases.table();
        for (number, ..) in self.due {
            if let Some(entry) = table.entries.get_mut(number)
                && entry.state == State::Renewing
            {
                entry.state = State::Held;
            }
        }
        drop(table);
        self.leases.renewed.notify_waiters();
    }
}

impl Table {
    fn insert(&mut self, message: &Message, visibility: Duration) -> u64 {
        let number = self.next;
        self.next += 1;
        let now = Instant::now();
        self.by_message.insert(message.id.clone(), number);
        let entry = Entry {
            message_id: message.id.clone(),
            receipt: message.receipt.clone(),
            since: now,
            renew_at: now + visibility / 2,
            state: State::Held,
        };
        self.entries.insert(number, entry);
        number
    }

    fn renew_receipt(&mut self, message: &Message, visibility: Duration) -> bool {
        let Some(number) = self.by_message.get(&message.id) else { return false };
        let Some(entry) = self.entries.get_mut(number) else { return false };
        let now = Instant::now();
        entry.receipt = message.receipt.clone();
        entry.since = now;
        entry.renew_at = now + visibility / 2;
        if entry.state == State::Lost {
            entry.state = State::Held;
        }
        true
    }

    fn remove(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(&number) {
            self.by_message.remove(&entry.message_id);
        }
    }
}

impl Lease {
    /// How often the message had been received when the lease began.
    pub fn receives(&self) -> u32 {
        self.receives
    }

    /// Ends the renewals, waits for one in flight, and gives the receipt to settle with.
    pub async fn settling(&self) -> Receipt {
        loop {
            let renewed = self.leases.renewed.notified();
            tokio::pin!(renewed);
            renewed.as_mut().enable();
            if let Some(receipt) = self.try_settling() {
                return receipt;
            }
            renewed.await;
        }
    }

    fn try_settling(&self) -> Option<Receipt> {
        let mut table = self.leases.table();
        let entry = table.entries.get_mut(&self.number)?;
        if entry.state == State::Renewing {
            return None;
        }
        entry.state = State::Settling;
        Some(entry.receipt.clone())
    }

    /// Takes the renewals up again, after settling failed for now.
    pub fn resume(&self) {
        if let Some(entry) = self.leases.table().entries.get_mut(&self.number)
            && entry.state == State::Settling
        {
            entry.state = State::Held;
        }
    }

    /// Leaves the message to the last round of the drain, renewed until then.
    pub fn leave_to_last_round(mut self) {
        self.resume();
        self.room = None;
    }

    /// Ends the lease: the message is settled.
    pub fn end(mut self) {
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
