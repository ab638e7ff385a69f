//! Enforces the policy: looks at instances once more, and stops those that still violate it.
//!
//! - here: the loop that brings batches from the queue to their stop;
//! - [`recheck`]: the second look, at most 5 s before the stop;
//! - [`stop`]: the StopInstances call, the only place that acts;
//! - [`refusal`]: what is to be done when EC2 refuses a call;
//! - [`denied`]: the queue of stops that IAM denied, and [`denied_retry`], the task that tries them.

pub(crate) mod batch;
pub(crate) mod denied;
mod denied_retry;
mod recheck;
mod refusal;
mod stop;

use std::sync::Arc;

use crate::domain::outcome::Outcome;
use crate::domain::outcome::Refusal;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::exits::Exits;
use crate::pipeline::target::Target;
use crate::retry::attempts::Attempts;
use crate::retry::breaker::GaveUp;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::worklist::Worklist;

use batch::{History, StopBatch};

/// Why a message is retried, in the log.
const STOP_FAILS: &str = "stop_failing";

/// What the enforcers of a target share.
#[derive(Debug)]
pub(crate) struct Enforcer {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// Whose instances are stopped.
    pub(crate) target: Arc<Target>,
    /// Where deliveries are sent that are done.
    pub(crate) exits: Exits,
}

/// The two series of attempts that a batch takes: at the second look and at the stop.
struct Tries<'context> {
    looks: Attempts<'context>,
    stops: Attempts<'context>,
}

/// Gives batches to be tried while everything else that a task has is held up by a pause.
type NewBatches<'task> = dyn Fn() -> Vec<StopBatch> + Sync + 'task;

impl Enforcer {
    /// Enforces until the queue of violators is closed and empty.
    pub(crate) async fn run(self: Arc<Self>, violators: BatchReceiver<Delivery>) {
        loop {
            let batch = StopBatch::new(violators.take(self.batch_limit()).await);
            if batch.deliveries.is_empty() {
                return;
            }
            let new_batches =
                || StopBatch::new(violators.take_waiting(self.batch_limit())).if_any();
            self.enforce("enforcer", vec![batch], &new_batches).await;
        }
    }

    /// The most instances that one call may stop.
    fn batch_limit(&self) -> usize {
        self.target.rate_limits.most(self.context.settings.sizes.stop_batch)
    }

    /// Works on batches to their end. A panic drops what is left, which has it retried.
    async fn enforce(
        &self,
        task: &'static str,
        batches: Vec<StopBatch>,
        new_batches: &NewBatches<'_>,
    ) {
        let messages = batches.iter().map(|batch| batch.deliveries.len()).sum();
        let work = Box::pin(self.work(batches, new_batches));
        self.context.panic_guard.run(task, messages, work).await;
    }

    async fn work(&self, batches: Vec<StopBatch>, new_batches: &NewBatches<'_>) {
        let mut worklist = Worklist::new(batches);
        let mut tries = self.tries();
        while let Some(mut batch) = worklist.next() {
            if self.stays_parked(&batch) {
                self.park(batch);
                continue;
            }
            if let Err(why) = self.turn(&mut batch, &mut tries).await {
                self.exits.give_up(batch.deliveries, why, STOP_FAILS);
                continue;
            }
            let left = self.look_and_stop(batch, &mut tries).await;
            if !left.is_empty() {
                tries.stops.give_way();
            }
            self.plan(left, &mut worklist, &mut tries);
            if tries.stops.is_held_up() || tries.looks.is_held_up() {
                worklist.push_new(new_batches());
            }
            tries.looks.step_back();
        }
    }

    fn tries(&self) -> Tries<'_> {
        let breakers = &self.context.breakers;
        Tries {
            looks: breakers.step(self.target.describe_instances()),
            stops: breakers.step(self.target.stop_instances()),
        }
    }

    /// Waits for the turn of a batch: for back-offs and pauses, and then for the rate limit.
    ///
    /// A task that probes a paused DescribeInstances takes no permit to stop: permits held through
    /// the pause would all be spent at its end (16 tasks with 100 instances each, where EC2 allows
    /// 1,000).
    async fn turn(&self, batch: &mut StopBatch, tries: &mut Tries<'_>) -> Result<(), GaveUp> {
        tries.stops.turn().await?;
        if !batch.is_fresh() {
            tries.looks.turn().await?;
        }
        if batch.permit.is_none() && !tries.looks.is_held_up() {
            batch.permit = Some(self.target.rate_limits.stop(batch.ids().len()).await?);
        }
        Ok(())
    }

    /// Looks at a batch and stops it right after: with a wait in between, such as that of a probe,
    /// no look would ever be recent enough. Gives what is left to do.
    async fn look_and_stop(&self, batch: StopBatch, tries: &mut Tries<'_>) -> Vec<StopBatch> {
        let mut batches =
            if batch.is_fresh() { vec![batch] } else { self.recheck(batch, tries).await };
        let Some(next) = batches.pop() else { return batches };
        if !next.is_fresh() || next.permit.is_none() {
            batches.push(next);
        } else if self.must_park(&next) {
            self.park(next);
        } else {
            batches.extend(self.stop(next, &mut tries.stops).await);
        }
        batches
    }

    /// Puts what is left of a batch back on the worklist. A batch whose attempts are over, and that
    /// is not split, ends here.
    fn plan(
        &self,
        mut left: Vec<StopBatch>,
        worklist: &mut Worklist<StopBatch>,
        tries: &mut Tries<'_>,
    ) {
        let (stops_over, looks_over) = (tries.stops.are_over(), tries.looks.are_over());
        match left.pop() {
            Some(only) if left.is_empty() && (stops_over || looks_over) => {
                self.exits.give_up(only.deliveries, GaveUp::Retry, STOP_FAILS);
            }
            Some(only) if left.is_empty() => worklist.push_tried(only),
            last => worklist.push_parts(left.into_iter().chain(last)),
        }
    }

    /// Whether IAM is known to let the role stop instances.
    fn is_role_sound(&self) -> bool {
        self.target.may_stop(&self.context)
    }

    /// Whether a denied stop has been tried for long enough.
    fn is_overdue(&self, history: &History) -> bool {
        let limit = self.context.settings.denial_timeout;
        history.denied_since.is_some_and(|since| since.elapsed() >= limit)
    }

    /// Tells the owners that a batch is not stopped.
    fn refuse(&self, batch: StopBatch, refusal: Refusal) {
        for delivery in batch.deliveries {
            self.exits.announce(delivery, Outcome::Refused(refusal));
        }
    }
}
