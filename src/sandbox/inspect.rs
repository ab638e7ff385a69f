//! What tests and the subcommand read of the sandbox: copies of its state, and waiting for a
//! condition.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep_until, timeout};

use super::Sandbox;
use super::ec2::instance::Instance;
use super::ledger::Call;
use super::sns::{Notice, Subscription, delete_suspended};
use super::sqs::message::Message;
use super::sqs::queue::Queue;
use super::world::World;
use crate::runtime::clock::Clock;

/// How long a condition may take, in tokio's time.
const TIME_LIMIT: Duration = Duration::from_mins(1);

impl Sandbox {
    #[must_use]
    pub fn instance(&self, id: &str) -> Option<Instance> {
        self.read(|world| world.ec2.instances.get(self.name(id)).cloned())
    }

    /// Lists all instances of the handle's account in all regions, by id.
    #[must_use]
    pub fn instances(&self) -> Vec<Instance> {
        self.read(|world| world.ec2.instances.of(&self.account).cloned().collect())
    }

    /// Returns the clock of the sandbox.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.read(World::clock)
    }

    /// Lists the messages in `set_up`'s queue, in the order in which they were sent.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.messages_of(&self.resources().queue_arn)
    }

    /// Counts the messages in `set_up`'s queue, without copying them.
    #[must_use]
    pub fn depth(&self) -> usize {
        let arn = self.resources().queue_arn;
        self.read(|world| world.queues.get(&arn).map_or(0, Queue::depth))
    }

    /// Lists the messages in `set_up`'s dead-letter queue.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<Message> {
        self.messages_of(&self.resources().dead_letter_arn)
    }

    /// Lists the tags of `set_up`'s queue.
    #[must_use]
    pub fn queue_tags(&self) -> BTreeMap<String, String> {
        let arn = self.resources().queue_arn;
        self.read(|world| {
            world.queues.get(&arn).map(|queue| queue.tags.clone()).unwrap_or_default()
        })
    }

    /// Lists the subscriptions of a topic, confirmed or not.
    #[must_use]
    pub fn subscriptions(&self, topic: &str) -> Vec<Subscription> {
        self.change(|world| {
            let now = world.now();
            let Some(topic) = world.topics.get_mut(topic) else { return Vec::new() };
            delete_suspended(&mut topic.subscriptions, now);
            topic.subscriptions.clone()
        })
    }

    /// Lists the subscriptions of all topics that SNS has suspended, each by its endpoint and the
    /// moment since which it gets nothing.
    #[must_use]
    pub fn suspended(&self) -> Vec<(String, Instant)> {
        self.read(|world| {
            let all = world.topics.values().flat_map(|topic| &topic.subscriptions);
            all.filter_map(|one| Some((one.endpoint.clone(), one.suspended?))).collect()
        })
    }

    /// Lists the notices that SNS accepted. Each entry of a batch is one notice.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.read(|world| world.notices.clone())
    }

    /// Lists all calls in the order in which they arrived.
    #[must_use]
    pub fn ledger(&self) -> Vec<Call> {
        self.read(|world| world.ledger.calls.clone())
    }

    /// Lists the calls of one operation.
    #[must_use]
    pub fn calls(&self, operation: &str) -> Vec<Call> {
        self.read(|world| {
            let calls = world.ledger.calls.iter().filter(|call| call.operation == operation);
            calls.cloned().collect()
        })
    }

    /// Waits for a condition, which is checked after every change in the sandbox. `what` says in
    /// the panic what did not happen.
    ///
    /// # Panics
    /// If the condition is not met within 60 s of tokio's time.
    pub async fn until(&self, what: &str, condition: impl FnMut(&Self) -> bool) {
        let met = timeout(TIME_LIMIT, self.wait_for(condition)).await;
        assert!(met.is_ok(), "after {TIME_LIMIT:?} still not: {what}");
    }

    /// Waits for a condition as `until` does, without a time limit.
    pub(super) async fn wait_for(&self, mut condition: impl FnMut(&Self) -> bool) {
        let mut ticks = self.shared.changes.subscribe();
        loop {
            // Read before the condition is checked: if the time passes while it is checked, the
            // wait below ends at once.
            let due = self.read(World::next_due);
            if condition(self) {
                return;
            }
            select! {
                biased;
                tick = ticks.changed() => if tick.is_err() { return },
                () = reached(due) => {}
            }
        }
    }

    fn messages_of(&self, arn: &str) -> Vec<Message> {
        self.read(|world| world.queues.get(arn).map(Queue::messages).unwrap_or_default())
    }
}

async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
