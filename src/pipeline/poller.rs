//! Brings messages from the queue to the inbox of their region.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use crate::aws::error::AwsError;
use crate::aws::operation::Operation;
use crate::aws::sqs::{Message, Queue};
use crate::domain::event::{Reading, StateChange};
use crate::domain::outcome::Outcome;
use crate::inflight::dedup::{Claimed, Dedup};
use crate::inflight::lease::{Lease, Leases};
use crate::pipeline::delivery::{Arrival, Delivery};
use crate::pipeline::inbox::{Place, Waiting};
use crate::pipeline::router::Router;
use crate::pipeline::settle::Settlements;
use crate::retry::breaker::Breakers;
use crate::runtime::clock::Clock;
use crate::runtime::liveness;
use crate::telemetry::metrics::Metrics;

/// The messages of one poll.
pub const POLL: u32 = 10;
/// How long a poll in flight may go on after the drain began: what SQS hands out after it was cut
/// off would stay invisible for a whole visibility timeout.
const LAST_CALL: Duration = Duration::from_secs(2);

/// Everything that the pollers share.
#[derive(Debug)]
pub struct Poller {
    /// The queue.
    pub queue: Queue,
    /// How long a poll waits for a message.
    pub wait: Duration,
    /// How long a received message stays invisible.
    pub visibility: Duration,
    /// Places in the inbox.
    pub inbox: Arc<Semaphore>,
    /// Places for everything that is held.
    pub room: Arc<Semaphore>,
    /// Whose events count, and the evaluators of each region.
    pub router: Arc<Router>,
    /// Stopped events that nobody has heard of yet.
    pub announcements: UnboundedSender<(Delivery, Outcome)>,
    /// What is held.
    pub leases: Arc<Leases>,
    /// What is known of events.
    pub dedup: Arc<Dedup>,
    /// What is known of AWS.
    pub breakers: Arc<Breakers>,
    /// The way out.
    pub settlements: Arc<Settlements>,
    /// The time of day.
    pub clock: Clock,
    /// Where polls and the inbox are counted.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
    /// Dropped with the last poller: from then on nothing handed back comes again to this process.
    pub silence: DropGuard,
}

impl Poller {
    /// Polls until the drain begins.
    pub async fn run(self: Arc<Self>) {
        while let Some((places, room)) = self.drain.run_until_cancelled(self.reserve()).await {
            let Some(messages) = self.poll().await else { return };
            if self.drain.is_cancelled() {
                self.hand_back(messages, room);
                return;
            }
            self.receive(messages, places, room);
        }
    }

    /// Makes sure that what a poll brings can be held, and that it is wanted.
    async fn reserve(&self) -> (OwnedSemaphorePermit, OwnedSemaphorePermit) {
        liveness::idle();
        let places = reserve(&self.inbox).await;
        let room = reserve(&self.room).await;
        self.breakers.open_for_receiving().await;
        (places, room)
    }

    /// Polls once with success; nothing if the drain came in between.
    async fn poll(&self) -> Option<Vec<Message>> {
        let mut attempts = self.breakers.persist(Operation::Receive);
        loop {
            if self.drain.is_cancelled() || attempts.turn().await.is_err() {
                return None;
            }
            match self.receive_or_last_call().await? {
                Ok(messages) => {
                    attempts.succeeded();
                    self.metrics.polled(self.clock.wall(Instant::now()));
                    return Some(messages);
                }
                Err(failure) => {
                    warn!(error = %failure, "cannot receive messages");
                    attempts.failed(&failure);
                }
            }
        }
    }

    async fn receive_or_last_call(&self) -> Option<Result<Vec<Message>, AwsError>> {
        let last_call = async {
            self.drain.cancelled().await;
            tokio::time::sleep(LAST_CALL).await;
        };
        tokio::select! {
            biased;
            received = self.queue.receive(self.wait, self.visibility) => Some(received),
            () = last_call => None,
        }
    }

    fn receive(
        &self,
        messages: Vec<Message>,
        mut places: OwnedSemaphorePermit,
        mut room: OwnedSemaphorePermit,
    ) {
        let has_followers = messages.len() == POLL as usize;
        for message in messages {
            let (Some(place), Some(room)) = (places.split(1), room.split(1)) else { return };
            let place = Place::new(place, has_followers);
            let Some(lease) = self.leases.take(&message, room) else {
                info!(message.id = message.id, "a held message came again; took its new receipt");
                continue;
            };
            self.read(message, lease, place);
        }
    }

    fn read(&self, message: Message, lease: Lease, place: Place) {
        let reading = self.router.read(&message.body, &message.id);
        let change = match &reading {
            Reading::StateChange(change) => Some(change),
            Reading::Ignored(dismissal) | Reading::Rejected(dismissal) => dismissal.about.as_ref(),
        };
        let times = [change.and_then(|change| change.time), message.sent_at];
        let arrival = Arrival::now(&self.clock, message.id, message.receives, times);
        match reading {
            Reading::Ignored(dismissal) => self.settlements.ignore(lease, &arrival, &dismissal),
            Reading::Rejected(dismissal) => {
                let until = arrival.at + self.visibility;
                self.settlements.reject(lease, &arrival, &dismissal, until);
            }
            Reading::StateChange(change) => self.claim(change, arrival, lease, place),
        }
    }

    fn claim(&self, change: StateChange, arrival: Arrival, lease: Lease, place: Place) {
        match self.dedup.claim(&change.key) {
            Claimed::Fresh(claim) => {
                self.welcome(Waiting {
                    delivery: Delivery { change, arrival, lease, claim },
                    place,
                });
            }
            Claimed::Unannounced(claim) => {
                let delivery = Delivery { change, arrival, lease, claim };
                // Closed only after the pollers have ended.
                drop(self.announcements.send((delivery, Outcome::Stopped)));
            }
            Claimed::Announced => self.settlements.discard_repeat(lease, &arrival, &change),
            Claimed::Duplicate => self.settlements.return_duplicate(lease, &arrival, &change),
        }
    }

    fn welcome(&self, waiting: Waiting) {
        self.metrics.inboxed();
        self.router.send(waiting);
    }

    fn hand_back(&self, messages: Vec<Message>, mut room: OwnedSemaphorePermit) {
        for message in messages {
            let Some(room) = room.split(1) else { return };
            let Some(lease) = self.leases.take(&message, room) else { continue };
            self.settlements.return_lease(lease, Duration::ZERO);
        }
    }
}

async fn reserve(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    match Arc::clone(semaphore).acquire_many_owned(POLL).await {
        Ok(permit) => permit,
        // Never closed.
        Err(_) => std::future::pending().await,
    }
}
