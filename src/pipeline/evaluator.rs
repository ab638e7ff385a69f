//! The first look: reads the tags of the instances that wait, and lets those go on that lack the
//! exception tag.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;
use tracing::warn;

use crate::domain::ids::InstanceId;
use crate::domain::outcome::Outcome;
use crate::domain::policy::Decision;
use crate::domain::policy::facts::Tags;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::{self, Delivery};
use crate::pipeline::exits::Exits;
use crate::pipeline::inbox::Waiting;
use crate::pipeline::target::Target;
use crate::retry::attempts::{Attempts, GaveUp, Next};
use crate::retry::delays;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::liveness;
use crate::runtime::worklist::Worklist;

/// Why a message is retried, in the log.
const LOOK_UP_FAILS: &str = "tag_lookup_failing";

/// What the evaluators of a target share.
#[derive(Debug)]
pub(crate) struct Evaluator {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// Whose instances are looked up.
    pub(crate) target: Arc<Target>,
    /// Deliveries that wait for their first look.
    pub(crate) inbox: BatchReceiver<Waiting>,
    /// Where deliveries are sent whose instance lacks the tag.
    pub(crate) violators: Sender<Delivery>,
    /// Where the others are sent.
    pub(crate) exits: Exits,
}

impl Evaluator {
    /// Evaluates until the inbox is closed and empty.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let more_follow = |waiting: &Waiting| waiting.place.more_follow;
            let limit = self.context.settings.sizes.batch;
            let waiting = self.inbox.take_and_fill(limit, delays::BATCH_FILL, more_follow).await;
            if waiting.is_empty() {
                return;
            }
            let batch = self.take_out(waiting);
            if self.context.drain.is_cancelled() {
                self.exits.give_up(batch, GaveUp::HandBack, LOOK_UP_FAILS);
                continue;
            }
            let (messages, work) = (batch.len(), Box::pin(self.evaluate(batch)));
            self.context.panic_guard.run("evaluator", messages, work).await;
        }
    }

    /// Frees the places in the inbox.
    fn take_out(&self, waiting: Vec<Waiting>) -> Vec<Delivery> {
        self.context.metrics.taken_from_inbox(waiting.len());
        waiting.into_iter().map(|waiting| waiting.delivery).collect()
    }

    async fn evaluate(&self, batch: Vec<Delivery>) {
        let mut worklist = Worklist::new([batch]);
        let mut attempts = self.context.breakers.step(self.target.describe_tags());
        while let Some(batch) = worklist.next() {
            match self.look_up(&batch, &mut attempts).await {
                Ok(tags) => self.pass_on(self.violators(batch, &tags)).await,
                Err(Unknown::Failed(Next::Again)) => worklist.push_tried(batch),
                Err(Unknown::Failed(Next::Halve)) => worklist.push_parts(delivery::halves(batch)),
                Err(Unknown::Failed(Next::GiveUp)) => {
                    self.exits.give_up(batch, GaveUp::Retry, LOOK_UP_FAILS);
                }
                Err(Unknown::GaveUp(why)) => self.exits.give_up(batch, why, LOOK_UP_FAILS),
            }
            if attempts.are_paused() {
                worklist.push_new(self.new_batch());
            }
        }
    }

    /// What waits in the inbox, to be tried while everything else that this task has is held up.
    fn new_batch(&self) -> Option<Vec<Delivery>> {
        let batch = self.take_out(self.inbox.take_waiting(self.context.settings.sizes.batch));
        (!batch.is_empty()).then_some(batch)
    }

    async fn look_up(
        &self,
        batch: &[Delivery],
        attempts: &mut Attempts,
    ) -> Result<BTreeMap<InstanceId, Tags>, Unknown> {
        let ids = delivery::instances(batch);
        let attempt = attempts.ready().await.map_err(Unknown::GaveUp)?;
        let permit = self.target.rate_limits.look().await.map_err(Unknown::GaveUp)?;
        let tags = self.target.instances.tags(&ids).await;
        permit.ended(tags.as_ref().err());
        match tags {
            Ok(tags) => {
                attempt.succeeded();
                Ok(tags)
            }
            Err(error) => {
                warn!(%error, instances = ids.len(), "cannot look up tags");
                Err(Unknown::Failed(attempt.failed_for(&error, ids.len())))
            }
        }
    }

    /// Ends what is exempt, and gives the rest.
    fn violators(&self, batch: Vec<Delivery>, tags: &BTreeMap<InstanceId, Tags>) -> Vec<Delivery> {
        let untagged = Tags::new();
        let mut violators = Vec::new();
        for delivery in batch {
            let tags = tags.get(delivery.instance()).unwrap_or(&untagged);
            let decision = self.target.policy.decide(tags);
            let delivery = delivery.decided(decision);
            match decision {
                Decision::Allow => self.exits.settlements.delete(delivery, Outcome::Exempt),
                Decision::Violation => violators.push(delivery),
            }
        }
        violators
    }

    /// Sends violators to the enforcers; waits only while their queue is full.
    async fn pass_on(&self, mut violators: Vec<Delivery>) {
        while !violators.is_empty() {
            let count = violators.len().min(self.context.settings.sizes.stop_queue);
            liveness::idle();
            // A closed channel drops the deliveries, which has their messages retried.
            let Ok(places) = self.violators.reserve_many(count).await else { return };
            for (place, delivery) in places.zip(violators.drain(..count)) {
                place.send(delivery);
            }
        }
    }
}

/// Why nothing is known of a batch.
enum Unknown {
    /// The call failed.
    Failed(Next),
    /// No call could be made.
    GaveUp(GaveUp),
}
