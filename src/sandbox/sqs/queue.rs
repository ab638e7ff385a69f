//! One queue: which messages are visible, which are invisible, and until when.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::message::{Message, Visibility};
use super::receipt::Receipt;
use super::redrive::Redrive;
use crate::sandbox::dates::since_epoch;

/// A standard queue. A message that becomes visible again goes to the end.
#[derive(Debug)]
pub(in crate::sandbox) struct Queue {
    pub(super) attributes: BTreeMap<String, String>,
    pub(in crate::sandbox) tags: BTreeMap<String, String>,
    pub(super) redrive: Option<Redrive>,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// Notified when a message becomes visible.
    pub(super) arrivals: Arc<Notify>,
    /// A hash map, since with a backlog of 200,000 messages each step down a tree is a cache miss.
    messages: HashMap<String, Message>,
    /// The ids of visible messages, next one first. A message that was deleted may still be in it.
    visible: VecDeque<String>,
    /// The ids of invisible messages, by the time at which each becomes visible.
    hidden: BTreeSet<(Instant, String)>,
    /// How many of the invisible ones a consumer has received; the others were sent with a delay.
    held: usize,
    /// How many messages were ever sent.
    sent: u64,
}

impl Queue {
    pub(in crate::sandbox) fn new(created: SystemTime) -> Self {
        Self {
            attributes: BTreeMap::new(),
            tags: BTreeMap::new(),
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

    /// Adds a message that becomes visible after `delay`.
    pub(in crate::sandbox) fn put(&mut self, mut message: Message, delay: Duration, now: Instant) {
        let id = message.id.clone();
        self.sent += 1;
        message.number = self.sent;
        message.visibility = Visibility::Visible;
        self.messages.insert(id.clone(), message);
        let until = now + delay;
        self.place(&id, Visibility::Delayed { until }, now);
    }

    /// Takes the next message out of the visible ones. The caller must `place` or `remove` it.
    pub(super) fn next_visible(&mut self) -> Option<&mut Message> {
        let id = loop {
            let id = self.visible.pop_front()?;
            if self.messages.contains_key(&id) {
                break id;
            }
        };
        self.messages.get_mut(&id)
    }

    /// Gives a visibility to a message that is neither among the visible nor among the invisible
    /// ones. A time that is not after `now` makes it visible.
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

    /// Takes a message out of the invisible ones.
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

    /// Makes every message visible whose time has come.
    pub(in crate::sandbox) fn show_due(&mut self, now: Instant) {
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

    /// Finds the message of a receipt handle, unless a later receive has made the handle stale.
    pub(super) fn message_of(&self, receipt: Receipt<'_>) -> Option<&Message> {
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
