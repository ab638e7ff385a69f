//! Remembers which events are being worked on, stopped, or announced already.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::domain::event::EventKey;

/// Events in one generation: as many as a table of 32,768 places of 18 bytes takes. A repeat comes
/// within minutes, so the newest are those that count.
const GENERATION: usize = 28_672;
/// SQS keeps a message invisible for 12 h at most.
const LIFETIME: Duration = Duration::from_hours(12);

/// The events that this process knows.
#[derive(Debug, Default)]
pub struct Dedup(Mutex<Events>);

#[derive(Debug)]
struct Events {
    claimed: HashSet<Fingerprint>,
    /// What was learned since `began`; full or a lifetime old, it becomes the older generation.
    newer: HashMap<Fingerprint, Known>,
    /// In a quiet queue it is kept for longer than need be; an event's id never comes again.
    older: HashMap<Fingerprint, Known>,
    began: Instant,
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
    Duplicate,
}

/// The sole right to work on an event; it ends when dropped.
#[derive(Debug)]
pub struct Claim {
    event: Fingerprint,
    dedup: Arc<Dedup>,
}

impl Dedup {
    /// Claims an event, unless it is claimed or announced.
    pub fn claim(self: &Arc<Self>, key: &EventKey) -> Claimed {
        let event = Fingerprint::of(key);
        let mut events = self.events();
        let known = events.known(event);
        if known == Some(Known::Announced) {
            return Claimed::Announced;
        }
        if !events.claimed.insert(event) {
            return Claimed::Duplicate;
        }
        let claim = Claim { event, dedup: Arc::clone(self) };
        if known.is_some() { Claimed::Unannounced(claim) } else { Claimed::Fresh(claim) }
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Remembers that EC2 stopped the instance.
    pub fn stopped(&self) {
        self.dedup.events().remember(self.event, Known::Stopped);
    }

    /// Remembers that SNS accepted the notice.
    pub fn announced(&self) {
        self.dedup.events().remember(self.event, Known::Announced);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.dedup.events().claimed.remove(&self.event);
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

impl Default for Events {
    fn default() -> Self {
        let (newer, older) = (HashMap::new(), HashMap::new());
        Self { claimed: HashSet::new(), newer, older, began: Instant::now() }
    }
}

impl Events {
    fn known(&mut self, event: Fingerprint) -> Option<Known> {
        self.renew();
        self.newer.get(&event).or_else(|| self.older.get(&event)).copied()
    }

    fn remember(&mut self, event: Fingerprint, known: Known) {
        self.renew();
        self.newer.insert(event, known);
    }

    /// Begins a generation once its time has come, and forgets the one before the last.
    fn renew(&mut self) {
        if self.newer.len() >= GENERATION || self.began.elapsed() > LIFETIME {
            std::mem::swap(&mut self.newer, &mut self.older);
            // Keeps its room.
            self.newer.clear();
            self.began = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Account, InstanceId, Region};

    fn key(event_id: &str) -> EventKey {
        EventKey {
            account: Account::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
            instance: InstanceId::parse("i-0abcd1234abcd1234").unwrap(),
            event_id: event_id.into(),
        }
    }

    fn fresh(dedup: &Arc<Dedup>, event_id: &str) -> Claim {
        match dedup.claim(&key(event_id)) {
            Claimed::Fresh(claim) => claim,
            other => panic!("not fresh: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_a_duplicate_while_it_is_claimed() {
        let dedup = Arc::new(Dedup::default());
        let claim = fresh(&dedup, "a");
        assert!(matches!(dedup.claim(&key("a")), Claimed::Duplicate));
        drop(claim);
        fresh(&dedup, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_event_goes_to_its_notice_and_an_announced_one_nowhere() {
        let dedup = Arc::new(Dedup::default());
        fresh(&dedup, "a").stopped();
        let Claimed::Unannounced(claim) = dedup.claim(&key("a")) else { panic!("not known") };
        claim.announced();
        drop(claim);
        assert!(matches!(dedup.claim(&key("a")), Claimed::Announced));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_known_for_12_h_after_it_was_last_learned() {
        let dedup = Arc::new(Dedup::default());
        tokio::time::sleep(LIFETIME / 10 * 9).await;
        let claim = fresh(&dedup, "a");
        claim.stopped();
        tokio::time::sleep(LIFETIME).await;
        claim.announced();
        drop(claim);
        tokio::time::sleep(LIFETIME).await;
        assert!(matches!(dedup.claim(&key("a")), Claimed::Announced));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_forgotten_soon_after_two_lifetimes() {
        let dedup = Arc::new(Dedup::default());
        fresh(&dedup, "a").announced();
        for hour in 0..=24 {
            assert!(matches!(dedup.claim(&key("a")), Claimed::Announced), "after {hour} h");
            tokio::time::sleep(Duration::from_hours(1)).await;
        }
        tokio::time::sleep(LIFETIME / 4).await;
        fresh(&dedup, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_events_are_remembered_and_two_generations_at_most() {
        let dedup = Arc::new(Dedup::default());
        for number in 0..=2 * GENERATION {
            fresh(&dedup, &number.to_string()).announced();
        }
        fresh(&dedup, "0");
        assert!(matches!(dedup.claim(&key(&GENERATION.to_string())), Claimed::Announced));
        assert!(dedup.events().newer.capacity() <= GENERATION);
        assert!(dedup.events().older.capacity() <= GENERATION);
    }
}
