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
use crate::retry::attempts::{Attempt, Attempts, GaveUp, Next};
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
struct Tries {
    looks: Attempts,
    stops: Attempts,
}

/// The right to look at a batch once more, unless its look is recent enough, and to stop it.
struct Turn<'tries> {
    look: Option<Attempt<'tries>>,
    stop: Attempt<'tries>,
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
            let turn = match self.turn(&mut batch, &mut tries).await {
                Ok(turn) => turn,
                Err(why) => {
                    self.exits.give_up(batch.deliveries, why, STOP_FAILS);
                    continue;
                }
            };
            let mut left = self.look_and_stop(batch, turn).await;
            match left.pop() {
                Some(only) if left.is_empty() => worklist.push_tried(only),
                last => worklist.push_parts(left.into_iter().chain(last)),
            }
            if tries.stops.are_paused() || tries.looks.are_paused() {
                worklist.push_new(new_batches());
            }
        }
    }

    fn tries(&self) -> Tries {
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
    async fn turn<'tries>(
        &self,
        batch: &mut StopBatch,
        tries: &'tries mut Tries,
    ) -> Result<Turn<'tries>, GaveUp> {
        let stop = tries.stops.ready().await?;
        let look = if batch.is_fresh() { None } else { Some(tries.looks.ready().await?) };
        if batch.permit.is_none() && !look.as_ref().is_some_and(Attempt::is_probe) {
            batch.permit = Some(self.target.rate_limits.stop(batch.ids().len()).await?);
        }
        Ok(Turn { look, stop })
    }

    /// Looks at a batch and stops it right after: with a wait in between, such as that of a probe,
    /// no look would ever be recent enough. Gives what is left to do.
    async fn look_and_stop(&self, batch: StopBatch, turn: Turn<'_>) -> Vec<StopBatch> {
        let mut batches = match turn.look {
            Some(look) => self.recheck(batch, look).await,
            None => vec![batch],
        };
        let Some(next) = batches.pop() else { return batches };
        if !next.is_fresh() || next.permit.is_none() {
            batches.push(next);
        } else if self.must_park(&next) {
            self.park(next);
        } else {
            batches.extend(self.stop(next, turn.stop).await);
        }
        batches
    }

    /// What is left to do of a batch after a failure.
    fn after_failure(&self, batch: StopBatch, next: Next) -> Vec<StopBatch> {
        match next {
            Next::Again => return vec![batch],
            Next::Halve => return batch.halves().into(),
            Next::GiveUp => self.exits.give_up(batch.deliveries, GaveUp::Retry, STOP_FAILS),
        }
        Vec::new()
    }

    /// Whether IAM is known to let the role stop instances.
    fn is_role_sound(&self) -> bool {
        self.target.may_stop(&self.context)
    }

    /// Whether a denied stop has been tried for long enough.
    fn is_overdue(&self, history: &History) -> bool {
        let limit = self.context.settings.policy.denial_timeout;
        history.denied_since.is_some_and(|since| since.elapsed() >= limit)
    }

    /// Tells the owners that a batch is not stopped.
    fn refuse(&self, batch: StopBatch, refusal: Refusal) {
        for delivery in batch.deliveries {
            self.exits.announce(delivery, Outcome::Refused(refusal));
        }
    }
}
