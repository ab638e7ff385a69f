//! Deduplication: which events are being worked on, and which have been stopped or announced.
//!
//! SQS and EventBridge may deliver an event more than once. While one message of an event is being
//! worked on, further ones join it: each is held under its own lease, and settled together with the
//! first one and in the same way. For example, of four messages about one violator one goes through
//! the pipeline, three join it, and all four are deleted after its notice.
//!
//! An event whose instance was stopped is remembered for 12 h or longer. A message of it that comes
//! later goes straight to its notice, or is deleted, so that nobody gets a second notice.
//!
//! Where there are sweeps, a sweep claims the instances that it found. One of which an event is being
//! worked on is left to that, and an event of one that a sweep works on is retried a moment later.
//!
//! Of a refusal only the messages are remembered: what kept the instance running may be mended, and
//! the same event sent again, in a message of its own, to be judged anew.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::UtcDateTime;
use tokio::time::Instant;

use crate::domain::event::EventKey;
use crate::domain::policy::Policies;
use crate::domain::policy::decision::Decision;
use crate::inflight::busy::{Busy, Worker};
use crate::inflight::fingerprint::Fingerprint;
use crate::inflight::message::HeldMessage;
use crate::retry::delays;

/// The most events in one generation: 7/8 of 32,768, which is as full as a `HashMap` becomes before
/// it grows. At 18 bytes an event (fingerprint, what is known, and one byte of the map) a
/// generation takes 0.6 MB. A duplicate usually comes within minutes, so forgetting the oldest does
/// no harm.
const GENERATION: usize = 28_672;

/// How many messages may join one. Each that joins is held, and takes room from all other events:
/// a sender that repeats one event thousands of times must not keep the daemon from receiving them.
const MOST_JOINED: usize = 100;

/// How many events may be remembered whose instance EC2 did not show: a few hundred kilobytes.
const MOST_ABSENT: usize = 8192;

/// For how many events without a notice may be remembered why their instance was stopped.
const MOST_REASONS: usize = 8192;

/// The events and messages that this process knows.
#[derive(Debug, Default)]
pub(crate) struct Dedup(Mutex<Events>);

#[derive(Debug)]
struct Events {
    /// The events that are being worked on, and for each the messages that have joined.
    claimed: HashMap<Fingerprint, Vec<HeldMessage>>,
    /// The newer generation: what was learned since `began`. When it is full or 12 h old, it
    /// becomes the older one, which is forgotten.
    newer: HashMap<Fingerprint, Known>,
    /// The older generation. Where events are rare it is kept for longer than 12 h, which does no
    /// harm: no two events have the same id.
    older: HashMap<Fingerprint, Known>,
    /// When the newer generation began.
    began: Instant,
    /// Why instances were stopped whose notice SNS has not accepted, where it was not for the
    /// built-in policy alone.
    reasons: HashMap<Fingerprint, Arc<Decision>>,
    /// The events whose instance may have been stopped by a call that EC2 has not answered.
    unanswered: HashSet<Fingerprint>,
    /// The policies by which owners were warned.
    policies: Option<Arc<Policies>>,
    /// Since when EC2 has shown no instance for an event, at each look.
    absent: HashMap<Fingerprint, Instant>,
    /// The instances that are being worked on; `None` where there are no sweeps.
    busy: Option<Busy>,
}

/// How far the work on an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// EC2 has stopped the instance; SNS has not accepted the notice.
    Stopped,
    /// SNS has accepted the notice.
    Announced,
    /// SNS has accepted a warning by the policies in effect: other ones may want more.
    Warned,
}

/// The result of [`Dedup::claim`].
#[derive(Debug)]
pub(crate) enum Claimed {
    /// Nothing is known of the event: its instance is to be looked at.
    New(HeldMessage, Claim),
    /// The instance was stopped, but SNS has not accepted the notice: it is to be published.
    Unannounced(HeldMessage, Claim, Arc<Decision>),
    /// The notice was published: the message is to be deleted.
    Announced(HeldMessage),
    /// Another message of the event is being worked on. The message has joined it, and is settled
    /// with it.
    Joined,
    /// Another message of it is being worked on, which too many have joined already.
    Crowded(HeldMessage),
    /// A sweep works on its instance.
    Swept(HeldMessage),
}

/// The sole right to work on an event.
///
/// [`Claim::end`] returns the messages that have joined, to be settled. A claim that is dropped
/// instead, as by a panic, drops them with their leases, and each of them is retried.
#[derive(Debug)]
pub(crate) struct Claim {
    event: Fingerprint,
    /// The instance, where sweeps need to know that it is being worked on.
    worker: Option<Worker>,
    dedup: Arc<Dedup>,
    /// Whether the messages that joined have been returned.
    ended: bool,
}

impl Dedup {
    /// Nothing is known. `has_sweeps` says whether there are sweeps.
    pub(crate) fn new(has_sweeps: bool) -> Self {
        let busy = has_sweeps.then(Busy::default);
        Self(Mutex::new(Events { busy, ..Events::default() }))
    }

    /// Claims an instance that a sweep found, which was launched at this time; `None` while it is
    /// being worked on already.
    pub(crate) fn claim_found(
        self: &Arc<Self>,
        key: &EventKey,
        launched: UtcDateTime,
    ) -> Option<Claim> {
        let worker = Worker::Sweep(Fingerprint::of_instance(key));
        if !self.events().busy.as_mut()?.begin(worker) {
            return None;
        }
        let event = Fingerprint::of_launch(key, launched, "");
        Some(Claim { event, worker: Some(worker), dedup: Arc::clone(self), ended: false })
    }

    /// Claims the event of a message, unless another message has claimed it or its notice has been
    /// published.
    pub(crate) fn claim(self: &Arc<Self>, key: &EventKey, message: HeldMessage) -> Claimed {
        let event = Fingerprint::of_event(key);
        let of_message = Fingerprint::of_message(message.id());
        let mut events = self.events();
        let known = events.known(event);
        if matches!(known.or(events.known(of_message)), Some(Known::Announced | Known::Warned)) {
            return Claimed::Announced(message);
        }
        if let Some(joined) = events.claimed.get_mut(&event) {
            if joined.len() >= MOST_JOINED {
                return Claimed::Crowded(message);
            }
            joined.push(message);
            return Claimed::Joined;
        }
        let Ok(worker) = events.begin(key) else { return Claimed::Swept(message) };
        events.claimed.insert(event, Vec::new());
        let claim = Claim { event, worker, dedup: Arc::clone(self), ended: false };
        if known.is_none() {
            return Claimed::New(message, claim);
        }
        let reason = events.reasons.get(&event).cloned();
        let reason = reason.unwrap_or_else(|| Arc::new(Decision::plain()));
        Claimed::Unannounced(message, claim, reason)
    }

    /// Forgets of which events owners were warned, unless the policies are still the same: events that
    /// are sent again after a policy was promoted are judged anew.
    pub(crate) fn follow(&self, policies: &Arc<Policies>) {
        let mut events = self.events();
        let is_same = events.policies.as_ref().is_some_and(|same| Arc::ptr_eq(same, policies));
        if !is_same {
            events.newer.retain(|_, known| *known != Known::Warned);
            events.older.retain(|_, known| *known != Known::Warned);
            events.policies = Some(Arc::clone(policies));
        }
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Remembers that EC2 stopped the instance, and why.
    pub(crate) fn remember_stop(&self, reason: Option<&Arc<Decision>>) {
        let mut events = self.dedup.events();
        events.remember(self.event, Known::Stopped);
        events.unanswered.remove(&self.event);
        if let Some(reason) = reason.filter(|reason| !reason.is_plain()) {
            if events.reasons.len() >= MOST_REASONS {
                // Their notices will have the text for the built-in policy.
                events.reasons.clear();
            }
            events.reasons.insert(self.event, Arc::clone(reason));
        }
    }

    /// Remembers that SNS accepted the notice of a stop.
    pub(crate) fn remember_notice(&self) {
        let mut events = self.dedup.events();
        events.remember(self.event, Known::Announced);
        events.reasons.remove(&self.event);
    }

    /// Remembers that SNS accepted a warning.
    pub(crate) fn remember_warning(&self) {
        self.dedup.events().remember(self.event, Known::Warned);
    }

    /// Remembers that SNS accepted a notice about an instance that goes on running, whose sense is in
    /// `words`.
    pub(crate) fn remember_told(&self, key: &EventKey, words: &str) {
        let told = Fingerprint::of_words(key, words);
        self.dedup.events().remember(told, Known::Warned);
    }

    /// Whether the owner of an instance was told the same by these policies before.
    pub(crate) fn was_told(&self, key: &EventKey, words: &str) -> bool {
        let told = Fingerprint::of_words(key, words);
        self.dedup.events().known(told).is_some()
    }

    /// Remembers that a stop was sent that EC2 has not answered.
    pub(crate) fn remember_sent_stop(&self) {
        let mut events = self.dedup.events();
        if events.unanswered.len() >= MOST_REASONS {
            events.unanswered.clear();
        }
        events.unanswered.insert(self.event);
    }

    /// Whether a stop was sent that EC2 has not answered.
    pub(crate) fn has_sent_stop(&self) -> bool {
        self.dedup.events().unanswered.contains(&self.event)
    }

    /// Remembers that SNS accepted the notice of a refusal, or that a stop is called off, for the
    /// message that the work was done on and for those that have joined it.
    pub(crate) fn remember_messages(&self, message_id: Option<&str>) {
        let mut events = self.dedup.events();
        let joined = events.claimed.get(&self.event).into_iter().flatten();
        let joined = joined.map(|message| Fingerprint::of_message(message.id()));
        let messages: Vec<_> = joined.chain(message_id.map(Fingerprint::of_message)).collect();
        for message in messages {
            events.remember(message, Known::Announced);
        }
    }

    /// Remembers that a look has just shown no instance. Returns for how long that has been so at
    /// each look of this process.
    pub(crate) fn absent_for(&self) -> Duration {
        let mut events = self.dedup.events();
        if events.absent.len() >= MOST_ABSENT && !events.absent.contains_key(&self.event) {
            // Each event that is forgotten costs its message another look.
            events.absent.clear();
        }
        events.absent.entry(self.event).or_insert_with(Instant::now).elapsed()
    }

    /// Remembers that a look has just shown the instance.
    pub(crate) fn is_there(&self) {
        self.dedup.events().absent.remove(&self.event);
    }

    /// Ends the claim, and returns the messages that have joined.
    pub(crate) fn end(mut self) -> Vec<HeldMessage> {
        self.ended = true;
        self.take_joined()
    }

    fn take_joined(&self) -> Vec<HeldMessage> {
        let mut events = self.dedup.events();
        if let (Some(busy), Some(worker)) = (&mut events.busy, self.worker) {
            busy.end(worker);
        }
        events.claimed.remove(&self.event).unwrap_or_default()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.ended {
            drop(self.take_joined());
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        let (newer, older) = (HashMap::new(), HashMap::new());
        Self {
            claimed: HashMap::new(),
            newer,
            older,
            began: Instant::now(),
            reasons: HashMap::new(),
            unanswered: HashSet::new(),
            policies: None,
            absent: HashMap::new(),
            busy: None,
        }
    }
}

/// A sweep works on the instance.
struct IsSwept;

impl Events {
    /// Notes that an event of an instance is being worked on, where there are sweeps.
    fn begin(&mut self, key: &EventKey) -> Result<Option<Worker>, IsSwept> {
        let Some(busy) = &mut self.busy else { return Ok(None) };
        let instance = Fingerprint::of_instance(key);
        if busy.is_swept(&instance) {
            return Err(IsSwept);
        }
        busy.begin(Worker::Event(instance));
        Ok(Some(Worker::Event(instance)))
    }

    fn known(&mut self, event: Fingerprint) -> Option<Known> {
        self.rotate_if_due();
        self.newer.get(&event).or_else(|| self.older.get(&event)).copied()
    }

    fn remember(&mut self, event: Fingerprint, known: Known) {
        self.rotate_if_due();
        self.newer.insert(event, known);
    }

    /// Begins a new generation when the newer one is full or 12 h old, and forgets the older one.
    fn rotate_if_due(&mut self) {
        if self.newer.len() >= GENERATION || self.began.elapsed() > delays::EVENT_MEMORY {
            std::mem::swap(&mut self.newer, &mut self.older);
            // `clear` keeps the memory of the map for the new generation.
            self.newer.clear();
            self.began = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::aws::sqs::{Message, Receipt};
    use crate::inflight::lease::Leases;
    use crate::inflight::message::Arrival;

    /// A message of its own for each call.
    fn message(number: u64) -> HeldMessage {
        let (dropped, _) = tokio::sync::mpsc::unbounded_channel();
        let leases = Leases::new(Duration::from_secs(30), dropped, Arc::default());
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let message = Message {
            id: number.to_string(),
            receipt: Receipt(String::new()),
            body: String::new(),
            receives: 1,
            sent_at: None,
        };
        let arrival = Arrival::now(SystemTime::now(), message.id.clone(), 1, [None, None]);
        HeldMessage { arrival, lease: leases.take(&message, room).unwrap() }
    }

    fn claim(dedup: &Arc<Dedup>, event_id: &str) -> Claimed {
        dedup.claim(&EventKey::example(event_id), message(1))
    }

    fn new(dedup: &Arc<Dedup>, event_id: &str) -> Claim {
        match claim(dedup, event_id) {
            Claimed::New(_, claim) => claim,
            other => panic!("not new: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_joins_the_one_of_its_event_that_is_worked_on() {
        let dedup = Arc::new(Dedup::default());
        let claim = new(&dedup, "a");
        for number in [2, 3] {
            let joined = dedup.claim(&EventKey::example("a"), message(number));
            assert!(matches!(joined, Claimed::Joined));
        }
        new(&dedup, "b");
        let joined: Vec<_> = claim.end().into_iter().map(|one| one.id().to_owned()).collect();
        assert_eq!(joined, ["2", "3"]);
        new(&dedup, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_a_hundred_messages_join_one() {
        let dedup = Arc::new(Dedup::default());
        let claim = new(&dedup, "a");
        for _ in 0..100 {
            assert!(matches!(self::claim(&dedup, "a"), Claimed::Joined));
        }
        assert!(matches!(self::claim(&dedup, "a"), Claimed::Crowded(_)));
        assert_eq!(claim.end().len(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_claim_drops_what_joined_and_frees_the_event() {
        let dedup = Arc::new(Dedup::default());
        let claim = new(&dedup, "a");
        assert!(matches!(self::claim(&dedup, "a"), Claimed::Joined));
        drop(claim);
        assert!(new(&dedup, "a").end().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_and_a_sweep_do_not_work_on_an_instance_at_the_same_time() {
        let dedup = Arc::new(Dedup::new(true));
        let found = || dedup.claim_found(&EventKey::example("any"), UtcDateTime::UNIX_EPOCH);
        let (one, other) = (new(&dedup, "a"), new(&dedup, "b"));
        assert!(found().is_none());
        drop(one);
        assert!(found().is_none());
        other.end();
        let swept = found().unwrap();
        assert!(found().is_none());
        assert!(matches!(claim(&dedup, "a"), Claimed::Swept(_)));
        drop(swept);
        new(&dedup, "a");
        assert!(found().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_event_goes_to_its_notice_and_an_announced_one_nowhere() {
        let dedup = Arc::new(Dedup::default());
        new(&dedup, "a").remember_stop(None);
        let Claimed::Unannounced(_, again, _) = claim(&dedup, "a") else { panic!("not known") };
        again.remember_notice();
        drop(again);
        assert!(matches!(claim(&dedup, "a"), Claimed::Announced(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_remembered_of_its_messages_and_not_of_the_event() {
        let dedup = Arc::new(Dedup::default());
        let key = EventKey::example("a");
        let claim = new(&dedup, "a");
        assert!(matches!(dedup.claim(&key, message(2)), Claimed::Joined));
        claim.remember_messages(Some("1"));
        claim.end();
        for number in [1, 2] {
            assert!(matches!(dedup.claim(&key, message(number)), Claimed::Announced(_)));
        }
        assert!(matches!(dedup.claim(&key, message(3)), Claimed::New(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_known_for_12_h_after_it_was_last_learned() {
        let dedup = Arc::new(Dedup::default());
        tokio::time::sleep(delays::EVENT_MEMORY / 10 * 9).await;
        let claim = new(&dedup, "a");
        claim.remember_stop(None);
        tokio::time::sleep(delays::EVENT_MEMORY).await;
        claim.remember_notice();
        drop(claim);
        tokio::time::sleep(delays::EVENT_MEMORY).await;
        assert!(matches!(self::claim(&dedup, "a"), Claimed::Announced(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_forgotten_soon_after_two_lifetimes() {
        let dedup = Arc::new(Dedup::default());
        new(&dedup, "a").remember_notice();
        for hour in 0..=24 {
            assert!(matches!(claim(&dedup, "a"), Claimed::Announced(_)), "after {hour} h");
            tokio::time::sleep(Duration::from_hours(1)).await;
        }
        tokio::time::sleep(delays::EVENT_MEMORY / 4).await;
        new(&dedup, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_events_are_remembered_and_two_generations_at_most() {
        let dedup = Arc::new(Dedup::default());
        for number in 0..=2 * GENERATION {
            dedup.events().remember(
                Fingerprint::of_event(&EventKey::example(&number.to_string())),
                Known::Announced,
            );
        }
        new(&dedup, "0");
        assert!(matches!(claim(&dedup, &GENERATION.to_string()), Claimed::Announced(_)));
        assert!(dedup.events().newer.capacity() <= GENERATION);
        assert!(dedup.events().older.capacity() <= GENERATION);
    }
}
