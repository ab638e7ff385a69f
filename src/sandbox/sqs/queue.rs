//! One queue: what is visible, what is hidden, and until when.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::message::{Message, Visibility};
use super::receipt::Receipt;
use super::redrive::Redrive;
use crate::sandbox::dates::since_epoch;

/// A standard queue, roughly first in, first out.
#[derive(Debug)]
pub(in crate::sandbox) struct Queue {
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) redrive: Option<Redrive>,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// Ticks when a message becomes visible.
    pub(super) arrivals: Arc<Notify>,
    /// Hashed, for a backlog of 200,000 makes every step down a tree a cache miss.
    messages: HashMap<String, Message>,
    /// May still name a message that was deleted since.
    visible: VecDeque<String>,
    hidden: BTreeSet<(Instant, String)>,
    held: usize,
    sent: u64,
}

impl Queue {
    pub(in crate::sandbox) fn new(created: SystemTime) -> Self {
        Self {
            attributes: BTreeMap::new(),
            redrive: None,
            created: since_epoch(created).as_secs(),
            arrivals: Arc::default(),
            messages: HashMap::new(),
            visible: VecDeque::new(),
            hidden: BTreeSet::new(),
            held: 0,
            sent: 0,
        }
    }

    /// Takes a message in; `Duration::ZERO` makes it visible at once.
    pub(in crate::sandbox) fn put(&mut self, mut message: Message, delay: Duration, now: Instant) {
        let id = message.id.clone();
        self.sent += 1;
        message.number = self.sent;
        message.visibility = Visibility::Visible;
        self.messages.insert(id.clone(), message);
        let until = now + delay;
        self.place(&id, Visibility::Delayed { until }, now);
    }

    /// Takes the next visible message out of line; the caller places or removes it.
    pub(super) fn next_visible(&mut self) -> Option<&mut Message> {
        let id = loop {
            let id = self.visible.pop_front()?;
            if self.messages.contains_key(&id) {
                break id;
            }
        };
        self.messages.get_mut(&id)
    }

    /// Hides a message that is in no line; a time that has come makes it visible.
    pub(super) fn place(&mut self, id: &str, visibility: Visibility, now: Instant) {
        let Some(message) = self.messages.get_mut(id) else { return };
        message.visibility = visibility;
        match message.hidden_until().filter(|until| *until > now) {
            Some(until) => {
                self.held += usize::from(message.is_held());
                self.hidden.insert((until, id.to_owned()));
            }
            None => self.show(id),
        }
    }

    /// Takes a hidden message out of its line.
    pub(super) fn unhide(&mut self, id: &str) {
        let Some(message) = self.messages.get(id) else { return };
        if let Some(until) = message.hidden_until() {
            self.held -= usize::from(message.is_held());
            self.hidden.remove(&(until, id.to_owned()));
        }
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Message> {
        self.unhide(id);
        self.messages.remove(id)
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.visible.clear();
        self.hidden.clear();
        self.held = 0;
    }

    /// Shows every message whose time has come.
    pub(in crate::sandbox) fn surface(&mut self, now: Instant) {
        while let Some((until, id)) = self.hidden.first() {
            if *until > now {
                return;
            }
            let id = id.clone();
            self.unhide(&id);
            self.show(&id);
        }
    }

    pub(in crate::sandbox) fn next_due(&self) -> Option<Instant> {
        self.hidden.first().map(|(until, _)| *until)
    }

    /// Finds the message of a receipt, unless a later receive has made the receipt stale.
    pub(super) fn of(&self, receipt: Receipt<'_>) -> Option<&Message> {
        let message = self.messages.get(receipt.message_id)?;
        (message.receive_count == receipt.receive).then_some(message)
    }

    pub(in crate::sandbox) fn has(&self, id: &str) -> bool {
        self.messages.contains_key(id)
    }

    /// Lists the messages in the order in which they were sent.
    pub(in crate::sandbox) fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = self.messages.values().cloned().collect();
        messages.sort_by_key(|message| message.number);
        messages
    }

    pub(in crate::sandbox) fn depth(&self) -> usize {
        self.messages.len()
    }

    pub(in crate::sandbox) fn held(&self) -> usize {
        self.held
    }

    pub(in crate::sandbox) fn delayed(&self) -> usize {
        self.hidden.len() - self.held
    }

    pub(in crate::sandbox) fn visible(&self) -> usize {
        self.messages.len() - self.hidden.len()
    }

    fn show(&mut self, id: &str) {
        if let Some(message) = self.messages.get_mut(id) {
            message.visibility = Visibility::Visible;
            self.visible.push_back(id.to_owned());
            self.arrivals.notify_waiters();
        }
    }
}
