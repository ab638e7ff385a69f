//! Remembers which events are being worked on, stopped, or announced already.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::event::EventKey;

/// Two entries an event, about 4 MB; a repeat comes within minutes, so the newest are those that
/// count.
const CAPACITY: usize = 40_000;
/// SQS keeps a message invisible for 12 h at most.
const LIFETIME: Duration = Duration::from_hours(12);

/// The events that this process knows.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Events>);

#[derive(Debug, Default)]
struct Events {
    claimed: HashSet<Fingerprint>,
    known: HashMap<Fingerprint, (Known, Instant)>,
    /// When what is known was learned, the oldest first; what was learned again since is stale.
    order: VecDeque<(Instant, Fingerprint)>,
}

/// Half of the SHA-256 of an event's key: no two events share it, and tens of thousands of them fit
/// where the keys themselves would take megabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fingerprint([u8; 16]);

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
    event: Fingerprint,
    memory: Arc<Memory>,
}

impl Memory {
    /// Claims an event, unless it is claimed or announced.
    pub fn claim(self: &Arc<Self>, key: &EventKey) -> Claimed {
        let event = Fingerprint::of(key);
        let mut events = self.events();
        events.forget_old();
        let known = events.known.get(&event).map(|(known, _)| *known);
        if known == Some(Known::Announced) {
            return Claimed::Announced;
        }
        if !events.claimed.insert(event) {
            return Claimed::Twin;
        }
        let claim = Claim { event, memory: Arc::clone(self) };
        if known.is_some() { Claimed::Unannounced(claim) } else { Claimed::Fresh(claim) }
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Remembers that EC2 stopped the instance.
    pub fn stopped(&self) {
        self.memory.events().remember(self.event, Known::Stopped);
    }

    /// Remembers that SNS accepted the notice.
    pub fn announced(&self) {
        self.memory.events().remember(self.event, Known::Announced);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.memory.events().claimed.remove(&self.event);
    }
}

impl Fingerprint {
    fn of(key: &EventKey) -> Self {
        let mut hash = Sha256::new();
        for part in [key.account.as_str(), key.region.as_str(), key.instance.as_str()] {
            hash.update(part);
            hash.update("\n");
        }
        hash.update(&*key.event_id);
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        Self(half)
    }
}

impl Events {
    fn remember(&mut self, event: Fingerprint, known: Known) {
        let now = Instant::now();
        self.known.insert(event, (known, now));
        self.order.push_back((now, event));
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
        let Some((learned, event)) = self.order.pop_front() else { return };
        if self.known.get(&event).is_some_and(|(_, since)| *since == learned) {
            self.known.remove(&event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Account, InstanceId, Region};

    fn key(event_id: &str) -> EventKey {
        EventKey {
            account: Account::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
            instance: InstanceId::parse("i-0abcd1234abcd1234").unwrap(),
            event_id: event_id.into(),
        }
    }

    fn fresh(memory: &Arc<Memory>, event_id: &str) -> Claim {
        match memory.claim(&key(event_id)) {
            Claimed::Fresh(claim) => claim,
            other => panic!("not fresh: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_a_twin_while_it_is_claimed() {
        let memory = Arc::new(Memory::default());
        let claim = fresh(&memory, "a");
        assert!(matches!(memory.claim(&key("a")), Claimed::Twin));
        drop(claim);
        fresh(&memory, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_event_goes_to_its_notice_and_an_announced_one_nowhere() {
        let memory = Arc::new(Memory::default());
        fresh(&memory, "a").stopped();
        let Claimed::Unannounced(claim) = memory.claim(&key("a")) else { panic!("not known") };
        claim.announced();
        drop(claim);
        assert!(matches!(memory.claim(&key("a")), Claimed::Announced));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_forgotten_12_h_after_it_was_last_learned() {
        let memory = Arc::new(Memory::default());
        let claim = fresh(&memory, "a");
        claim.stopped();
        tokio::time::sleep(LIFETIME).await;
        claim.announced();
        drop(claim);
        tokio::time::sleep(LIFETIME).await;
        assert!(matches!(memory.claim(&key("a")), Claimed::Announced));
        tokio::time::sleep(Duration::from_secs(1)).await;
        fresh(&memory, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_newest_events_are_remembered() {
        let memory = Arc::new(Memory::default());
        for number in 0..=CAPACITY {
            fresh(&memory, &number.to_string()).announced();
        }
        fresh(&memory, "0");
        assert!(matches!(memory.claim(&key("1")), Claimed::Announced));
    }
}
