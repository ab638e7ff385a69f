//! Remembers which events are being worked on, stopped, or announced already.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::event::EventKey;

/// About 4 MB; a repeat comes within minutes, so the newest are those that count.
const CAPACITY: usize = 20_000;
/// SQS keeps a message invisible for 12 h at most.
const LIFETIME: Duration = Duration::from_hours(12);

/// The events that this process knows.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Events>);

#[derive(Debug, Default)]
struct Events {
    claimed: HashSet<EventKey>,
    known: HashMap<EventKey, Known>,
    order: VecDeque<(Instant, EventKey)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Stopped,
    Announced,
}

/// What is known of an event that has just been read.
#[derive(Debug)]
pub enum Claimed {
    /// Nothing: it is the caller's now.
    Fresh(Claim),
    /// Its instance was stopped, but nobody has heard of it yet.
    Unannounced(Claim),
    /// All is done; only the message is left.
    Announced,
    /// Another delivery of the same event is being worked on.
    Twin,
}

/// The sole right to work on an event; it ends when dropped.
#[derive(Debug)]
pub struct Claim {
    key: EventKey,
    memory: Arc<Memory>,
}

impl Memory {
    /// Claims an event, unless it is claimed or announced.
    pub fn claim(self: &Arc<Self>, key: &EventKey) -> Claimed {
        let mut events = self.events();
        events.forget_old();
        let known = events.known.get(key).copied();
        if known == Some(Known::Announced) {
            return Claimed::Announced;
        }
        if !events.claimed.insert(key.clone()) {
            return Claimed::Twin;
        }
        let claim = Claim { key: key.clone(), memory: Arc::clone(self) };
        if known.is_some() { Claimed::Unannounced(claim) } else { Claimed::Fresh(claim) }
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Remembers that EC2 stopped the instance.
    pub fn stopped(&self) {
        self.memory.events().remember(&self.key, Known::Stopped);
    }

    /// Remembers that SNS accepted the notice.
    pub fn announced(&self) {
        self.memory.events().remember(&self.key, Known::Announced);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.memory.events().claimed.remove(&self.key);
    }
}

impl Events {
    fn remember(&mut self, key: &EventKey, known: Known) {
        if self.known.insert(key.clone(), known).is_none() {
            self.order.push_back((Instant::now(), key.clone()));
        }
        while self.order.len() > CAPACITY {
            self.forget_oldest();
        }
    }

    fn forget_old(&mut self) {
        while self.order.front().is_some_and(|(since, _)| since.elapsed() > LIFETIME) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.known.remove(&key);
        }
    }
}
