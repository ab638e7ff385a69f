//! The pollers: receive messages from the queue, read them, and send each to the evaluators, to the
//! notifiers or to the settlers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use time::UtcDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::DropGuard;
use tracing::{debug, info, warn};

use crate::aws::operation::Operation;
use crate::aws::sqs::{Message, Queue, Received};
use crate::domain::event::{Dismissal, Event, Reading, TagChange};
use crate::domain::outcome::Outcome;
use crate::domain::policy::decision::Decision;
use crate::inflight::dedup::{Claimed, Dedup};
use crate::inflight::lease::{Lease, Leases};
use crate::inflight::message::{Arrival, HeldMessage};
use crate::inflight::starts::Starts;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::exits::Exits;
use crate::pipeline::host_clock::{HostClock, Skew};
use crate::pipeline::inbox::{Place, Waiting};
use crate::pipeline::router::Router;
use crate::pipeline::settle::Finished;
use crate::retry::backoff::short_delay;
use crate::retry::delays;
use crate::runtime::liveness;
use crate::settings::{Settings, Sizes};

/// How many messages one poll asks for: the most that ReceiveMessage gives (SQS quotas).
const POLL: u32 = 10;

/// Why a message is retried, in the log: too many have joined another one of its event, or a sweep
/// works on its instance.
const MANY_DUPLICATES: &str = "many_duplicates";
const BEING_SWEPT: &str = "being_swept";

/// The words for the log field `reason`: of a change of tags that no policy mentions, and of one that
/// waits until other tools have set their tags, too.
const NOT_MENTIONED: &str = "tags_not_mentioned";
const TAGS_SETTLE: &str = "tags_settle";

/// What the poller tasks share.
#[derive(Debug)]
pub(crate) struct Poller {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// The queue, and how long a received message stays invisible.
    pub(crate) source: Source,
    /// How many messages may be held.
    pub(crate) room: Room,
    /// The leases of all messages that are held.
    pub(crate) leases: Arc<Leases>,
    /// The events that are being worked on, or have been stopped or announced.
    pub(crate) dedup: Arc<Dedup>,
    /// Of which instances a start event came.
    pub(crate) starts: Arc<Starts>,
    /// The channels to the evaluators.
    pub(crate) router: Arc<Router>,
    /// Where messages are sent that need no evaluation.
    pub(crate) exits: Exits,
    /// Cancels the token `polling_ended` when the last poller has ended.
    pub(crate) _polling_ended: DropGuard,
}

/// Where messages come from.
#[derive(Debug)]
pub(crate) struct Source {
    /// The queue.
    pub(crate) queue: Queue,
    /// How long a poll waits for messages.
    pub(crate) wait: Duration,
    /// How long a received message stays invisible, unless its lease is renewed.
    pub(crate) visibility: Duration,
    /// Knows whether the host's clock is right.
    pub(crate) host_clock: Arc<HostClock>,
}

/// What a poll brought, and the time of day at its answer.
struct Polled {
    messages: Vec<Message>,
    at: SystemTime,
}

/// A message that has a lease, and the time of day at which it was received.
struct Taken {
    message: Message,
    lease: Lease,
    at: SystemTime,
}

/// How many messages may be held. A poller reserves places before it polls, so that it never
/// receives a message for which there is no room.
#[derive(Debug)]
pub(crate) struct Room {
    /// Places for deliveries that wait for their first look.
    pub(crate) inbox: Arc<Semaphore>,
    /// Places for all messages that are held.
    pub(crate) held: Arc<Semaphore>,
}

/// The places that a poll has reserved: ten of each kind.
struct Places {
    inbox: OwnedSemaphorePermit,
    held: OwnedSemaphorePermit,
}

impl Room {
    /// The room that the settings give, with these places in the inbox.
    pub(crate) fn new(sizes: &Sizes, inbox: &Arc<Semaphore>) -> Self {
        let held = Arc::new(Semaphore::new(sizes.most_held()));
        Self { inbox: Arc::clone(inbox), held }
    }

    /// Waits for the places that one poll needs.
    async fn reserve(&self) -> Places {
        Places { inbox: reserve(&self.inbox).await, held: reserve(&self.held).await }
    }
}

async fn reserve(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    match Arc::clone(semaphore).acquire_many_owned(POLL).await {
        Ok(permit) => permit,
        // The semaphores are never closed.
        Err(_) => std::future::pending().await,
    }
}

impl Source {
    /// A queue that is polled as the settings say, but with waits that end within a drain.
    pub(crate) fn new(queue: Queue, visibility: Duration, settings: &Settings) -> Self {
        let longest = settings.drain.timeout.saturating_sub(delays::AFTER_LAST_POLL);
        let wait = settings.queue.wait.min(longest);
        Self { queue, wait, visibility, host_clock: Arc::default() }
    }
}

impl Poller {
    /// Polls until the drain begins. A poll that is in flight then ends by itself.
    pub(crate) async fn run(self: Arc<Self>) {
        while let Some(places) = self.context.drain.run_until_cancelled(self.ready()).await {
            let Some(polled) = self.poll().await else { return };
            self.lease_and_route(polled, places);
        }
    }

    /// Waits until there is room for the messages of a poll, and no pause stops receiving.
    async fn ready(&self) -> Places {
        liveness::idle();
        let places = self.room.reserve().await;
        self.context.breakers.open_for_receiving().await;
        places
    }

    /// Polls until a poll succeeds; `None` if the drain begins first.
    async fn poll(&self) -> Option<Polled> {
        let mut attempts = self.context.breakers.persist(Operation::Receive);
        loop {
            if self.context.drain.is_cancelled() {
                return None;
            }
            let attempt = attempts.ready().await.ok()?;
            let Source { queue, wait, visibility, .. } = &self.source;
            // Not ended by the drain: SQS would hand messages to a poll that was cut off.
            match queue.receive(*wait, *visibility).await {
                Ok(Received { messages, date }) => {
                    attempt.succeeded();
                    return Some(Polled { messages, at: self.time_of_poll(date) });
                }
                Err(error) => {
                    warn!(%error, "cannot receive messages");
                    attempt.failed(&error);
                }
            }
        }
    }

    /// The time of day of a poll that has just been answered, by SQS's clock or, if that is not
    /// known, by the host's.
    fn time_of_poll(&self, date: Option<SystemTime>) -> SystemTime {
        let Context { clock, metrics, .. } = &*self.context;
        let host = clock.wall(Instant::now());
        metrics.set_last_poll(host);
        let Some(sqs) = date else { return host };
        let Skew(ahead) = self.source.host_clock.compare(host, sqs);
        metrics.set_clock_skew(ahead);
        sqs
    }

    /// Begins the lease of each message of a poll, and routes it.
    fn lease_and_route(&self, polled: Polled, mut places: Places) {
        let Polled { messages, at } = polled;
        let more_follow = messages.len() == POLL as usize;
        for message in messages {
            let (Some(place), Some(held)) = (places.inbox.split(1), places.held.split(1)) else {
                return;
            };
            let place = Place::new(place, more_follow);
            let Some(lease) = self.leases.take(&message, held) else {
                info!(
                    message.id = message.id,
                    "received a held message again; took its newer receipt"
                );
                continue;
            };
            self.route(Taken { message, lease, at }, place);
        }
    }

    /// Reads the body of a message, and sends the message where it belongs.
    fn route(&self, taken: Taken, place: Place) {
        let reading = self.router.read(&taken.message.body, &taken.message.id);
        let event_time = reading.about().and_then(|event| event.time);
        let held = taken.held(event_time);
        match reading {
            Reading::Relevant(event) => {
                let now = self.now();
                let started = event.time.map_or(now, UtcDateTime::from);
                self.starts.saw(&event.key, started, now);
                self.claim(event, held, (place, false));
            }
            Reading::TagChange(change) => self.follow_tags(change, held, place),
            Reading::Ignored(dismissal) => {
                self.exits.settlements.delete(dismissed(held, dismissal), Outcome::Ignored);
            }
            Reading::Rejected(dismissal) => {
                let until = held.arrival.at + self.source.visibility;
                self.exits.settlements.leave(dismissed(held, dismissal), until);
            }
        }
    }

    /// Sends the message of a change of tags on: at once if its instance is to be stopped later, so
    /// that the stop can be called off, and otherwise when the tags have settled. A change that
    /// policies do not mention costs no call to EC2.
    fn follow_tags(&self, change: TagChange, message: HeldMessage, place: Place) {
        let TagChange { event, keys, tags } = change;
        let policies = self.context.policies();
        let age = message.arrival.age();
        if !policies.mention(&keys) {
            let finished = Finished::unclaimed(message, Some(event)).because(NOT_MENTIONED);
            self.exits.settlements.delete(finished, Outcome::Ignored);
        } else if age < delays::TAGS_SETTLE && !self.exits.plans.has_another(&event.key) {
            let until =
                Instant::now() + delays::TAGS_SETTLE.saturating_sub(age) + delays::DATE_PRECISION;
            let finished = Finished::unclaimed(message, Some(event));
            self.exits.settlements.wait(finished, TAGS_SETTLE, until);
        } else {
            let is_said_exempt = policies.exempts(&policies.exemption(&tags, self.now()));
            self.claim(event, message, (place, is_said_exempt));
        }
    }

    /// The time of day: SQS's, as far as it is known.
    fn now(&self) -> UtcDateTime {
        let host = self.context.clock.wall(Instant::now());
        self.source.host_clock.corrected(host).into()
    }

    /// Claims the event of a message, and sends the message to the stage that its event still
    /// needs.
    fn claim(&self, event: Event, message: HeldMessage, (place, is_said_exempt): (Place, bool)) {
        let id = message.arrival.message_id.clone();
        self.dedup.follow(&self.context.policies());
        match self.dedup.claim(&event.key, message) {
            Claimed::New(message, claim) => {
                let delivery = Delivery::new(event, message, claim);
                let delivery = Delivery { is_said_exempt, ..delivery };
                self.router.send(Waiting { delivery, place });
            }
            Claimed::Unannounced(message, claim, reason) => {
                let delivery = Delivery::new(event, message, claim).decided(reason);
                self.exits.announce(delivery, Outcome::Stopped);
            }
            Claimed::Announced(message) => {
                let finished = Finished::unclaimed(message, Some(event)).decided(Decision::plain());
                self.exits.settlements.delete(finished, Outcome::AnnouncedBefore);
            }
            Claimed::Crowded(message) => self.retry_soon(message, event, MANY_DUPLICATES),
            Claimed::Swept(message) => self.retry_soon(message, event, BEING_SWEPT),
            Claimed::Joined => {
                debug!(message.id = id, "another message of this event is being worked on: joined");
            }
        }
    }
}

impl Poller {
    /// Retries a message whose event cannot be claimed now.
    fn retry_soon(&self, message: HeldMessage, event: Event, reason: &'static str) {
        let after = short_delay(message.arrival.receives);
        let finished = Finished::unclaimed(message, Some(event));
        self.exits.settlements.retry(finished, reason, after);
    }
}

impl Taken {
    /// The message as it is held, with the age of its event.
    fn held(self, event_time: Option<SystemTime>) -> HeldMessage {
        let Self { message, lease, at } = self;
        let times = [event_time, message.sent_at];
        HeldMessage { arrival: Arrival::now(at, message.id, message.receives, times), lease }
    }
}

fn dismissed(message: HeldMessage, dismissal: Dismissal) -> Finished {
    Finished::unclaimed(message, dismissal.about).because(dismissal.reason)
}
