//! Takes deliveries from the inbox, looks up their tags and judges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::aws::ec2::Instances;
use crate::aws::operation::Operation;
use crate::domain::ids::{InstanceId, Region};
use crate::domain::outcome::Outcome;
use crate::domain::policy::{Decision, Policy, Tags};
use crate::pipeline::catch_panic::PanicGuard;
use crate::pipeline::delivery::{self, Delivery};
use crate::pipeline::inbox::Waiting;
use crate::pipeline::settle::Settlements;
use crate::rate_limit::RateLimits;
use crate::retry::attempts::Attempts;
use crate::retry::breaker::{Breakers, Ended};
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::liveness;
use crate::runtime::worklist::Worklist;
use crate::telemetry::metrics::Metrics;

/// While the queue is full, a batch is given so long to fill: a look-up costs the same for one
/// instance as for 190, and polls bring but ten.
const PATIENCE: Duration = Duration::from_millis(50);

/// Everything that the evaluators of a region share.
#[derive(Debug)]
pub struct Evaluator {
    /// Which region.
    pub region: Region,
    /// Its instances.
    pub instances: Instances,
    /// What an instance must carry.
    pub policy: Policy,
    /// Deliveries in one look-up at most.
    pub batch: usize,
    /// Deliveries that the stop line holds at most.
    pub stop_queue: usize,
    /// When the next DescribeTags may start.
    pub rate_limits: Arc<RateLimits>,
    /// What is known of AWS.
    pub breakers: Arc<Breakers>,
    /// The way out.
    pub settlements: Arc<Settlements>,
    /// What keeps a panic to its batch.
    pub panic_guard: Arc<PanicGuard>,
    /// Where the inbox is counted.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
}

impl Evaluator {
    /// Works until the inbox is closed and empty.
    pub async fn run(self: Arc<Self>, inbox: BatchReceiver<Waiting>, violators: Sender<Delivery>) {
        loop {
            let followed = |waiting: &Waiting| waiting.place.has_followers;
            let waiting = inbox.gather(self.batch, PATIENCE, followed).await;
            if waiting.is_empty() {
                return;
            }
            self.metrics.taken(waiting.len());
            let batch: Vec<_> = waiting.into_iter().map(|waiting| waiting.delivery).collect();
            if self.drain.is_cancelled() {
                for delivery in batch {
                    self.settlements.hand_back(delivery);
                }
                continue;
            }
            self.panic_guard
                .run("evaluator", batch.len(), Box::pin(self.work(batch, &inbox, &violators)))
                .await;
        }
    }

    async fn work(
        &self,
        batch: Vec<Delivery>,
        inbox: &BatchReceiver<Waiting>,
        violators: &Sender<Delivery>,
    ) {
        let mut worklist = Worklist::of([batch]);
        let mut attempts = self.breakers.step(Operation::DescribeTags(self.region.clone()));
        while let Some(batch) = worklist.take_next() {
            match self.look_up(&batch, &mut attempts).await {
                Ok(tags) => self.line_up(self.sort_out(batch, &tags), violators).await,
                Err(Unknown::Failed) if attempts.are_over() => {
                    self.end(batch, Ended::Return);
                }
                Err(Unknown::Halve) => worklist.take_parts(delivery::halves(batch)),
                Err(Unknown::Failed) => worklist.take_back(batch),
                Err(Unknown::Ended(ended)) => self.end(batch, ended),
            }
            if attempts.is_held_up() {
                worklist.welcome(self.newcomers(inbox));
            }
        }
    }

    fn end(&self, batch: Vec<Delivery>, ended: Ended) {
        for delivery in batch {
            self.settlements.end(delivery, ended, "cannot look up the tags");
        }
    }

    /// Who could be tried while all others are held up.
    fn newcomers(&self, inbox: &BatchReceiver<Waiting>) -> Option<Vec<Delivery>> {
        let waiting = inbox.take_waiting(self.batch);
        self.metrics.taken(waiting.len());
        let batch: Vec<_> = waiting.into_iter().map(|waiting| waiting.delivery).collect();
        (!batch.is_empty()).then_some(batch)
    }

    async fn look_up(
        &self,
        batch: &[Delivery],
        attempts: &mut Attempts<'_>,
    ) -> Result<BTreeMap<InstanceId, Tags>, Unknown> {
        let ids = delivery::instances(batch);
        attempts.turn().await.map_err(Unknown::Ended)?;
        let permit = self.rate_limits.look().await.map_err(Unknown::Ended)?;
        let tags = self.instances.tags(&ids).await;
        self.rate_limits.looked(permit, tags.as_ref().err());
        match tags {
            Ok(tags) => {
                attempts.succeeded();
                Ok(tags)
            }
            Err(failure) => {
                warn!(error = %failure, instances = ids.len(), "cannot look up tags");
                let halve = attempts.must_halve(&failure, ids.len());
                Err(if halve { Unknown::Halve } else { Unknown::Failed })
            }
        }
    }

    /// Settles what is exempt, and gives back what is not.
    fn sort_out(&self, batch: Vec<Delivery>, tags: &BTreeMap<InstanceId, Tags>) -> Vec<Delivery> {
        let none = Tags::new();
        let mut violations = Vec::new();
        for delivery in batch {
            match self.policy.decide(tags.get(delivery.instance()).unwrap_or(&none)) {
                Decision::Allow => self.settlements.conclude(delivery, Outcome::Exempt),
                Decision::Violation => violations.push(delivery),
            }
        }
        violations
    }

    /// Waits only when the stop line is full.
    async fn line_up(&self, mut violations: Vec<Delivery>, line: &Sender<Delivery>) {
        while !violations.is_empty() {
            let count = violations.len().min(self.stop_queue);
            liveness::idle();
            // A closed line drops the deliveries, which returns them.
            let Ok(places) = line.reserve_many(count).await else { return };
            for (place, delivery) in places.zip(violations.drain(..count)) {
                place.send(delivery);
            }
        }
    }
}

enum Unknown {
    Halve,
    Failed,
    Ended(Ended),
}
