//! What is held, by number and by message.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::sqs::{Message, Receipt};

#[derive(Debug, Default)]
pub(super) struct Table {
    next: u64,
    pub(super) entries: BTreeMap<u64, Entry>,
    by_message: HashMap<String, u64>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message_id: String,
    pub(super) receipt: Receipt,
    /// When this receipt was given.
    pub(super) since: Instant,
    pub(super) renew_at: Instant,
    /// When SQS delivers the message again, unless it is renewed.
    pub(super) expires: Instant,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Held,
    Renewing,
    Settling,
    /// A newer receipt came while the older one was being settled with.
    Overtaken,
    Lost,
}

impl Table {
    pub(super) fn insert(&mut self, message: &Message, visibility: Duration) -> u64 {
        let number = self.next;
        self.next += 1;
        self.by_message.insert(message.id.clone(), number);
        self.entries.insert(number, Entry::new(message, visibility));
        number
    }

    /// Gives a message that is held already its newer receipt.
    pub(super) fn renew_receipt(&mut self, message: &Message, visibility: Duration) -> bool {
        let Some(number) = self.by_message.get(&message.id) else { return false };
        let Some(entry) = self.entries.get_mut(number) else { return false };
        let state = match entry.state {
            State::Lost => State::Held,
            State::Settling => State::Overtaken,
            other => other,
        };
        *entry = Entry { state, ..Entry::new(message, visibility) };
        true
    }

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
