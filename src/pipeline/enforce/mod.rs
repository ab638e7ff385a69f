//! Enforces the policy: looks at instances once more, and stops those that still violate it.
//!
//! - here: the loop that brings batches from the queue to their stop;
//! - [`batch`]: deliveries that share a StopInstances call;
//! - [`recheck`]: the second look, at most 5 s before the stop;
//! - [`plan`]: what becomes of an instance that is to be stopped later;
//! - [`hold`]: keeps to the budget of stops;
//! - [`stop`]: the StopInstances call, the only place that acts on an instance;
//! - [`faults`]: says which policies could not be evaluated;
//! - [`refusal`]: what is to be done when EC2 refuses the stop;
//! - [`scaling`]: says which Auto Scaling groups start anew what is stopped;
//! - [`denied`]: the queue of stops that IAM denied, and [`denied_retry`], the task that tries
//!   them.

pub(crate) mod batch;
pub(crate) mod denied;
mod denied_retry;
mod faults;
mod hold;
mod plan;
mod recheck;
mod refusal;
mod scaling;
mod stop;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::aws::ec2::look_limit;
use crate::aws::error::AwsError;
use crate::aws::operation::Operation;
use crate::domain::outcome::{Outcome, Refusal};
use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::exits::Exits;
use crate::pipeline::planner::Planner;
use crate::pipeline::share::Share;
use crate::pipeline::target::Target;
use crate::pipeline::trial::{TRIAL_LIMIT, Trial};
use crate::retry::attempts::{Attempt, Attempts, GaveUp, Next};
use crate::retry::delays;
use crate::runtime::liveness;
use crate::runtime::pool::Pool;
use crate::runtime::work_queue::WorkQueue;
use crate::runtime::worklist::Worklist;

use batch::{History, StopBatch};

/// The word for the log field `reason` of messages that are retried because the second look or the
/// stop kept failing.
const STOP_FAILS: &str = "stop_failing";

/// What the enforcer tasks of a target share.
#[derive(Debug)]
pub(crate) struct Enforcer {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// The account and region whose instances are stopped.
    pub(crate) target: Arc<Target>,
    /// Where deliveries are sent that need not be stopped, or have been.
    pub(crate) exits: Exits,
    /// Which owners were told of a stop to come.
    pub(crate) planner: Arc<Planner>,
    /// How much of all that is held may be of this target.
    pub(crate) share: Share,
    /// The violators that wait.
    pub(crate) violators: Arc<WorkQueue<Violator>>,
    /// Places for those that wait.
    pub(crate) room: Arc<Semaphore>,
    /// The tasks of all targets.
    pub(crate) tasks: Pool,
}

/// A delivery that waits for an enforcer, and its place.
#[derive(Debug)]
pub(crate) struct Violator {
    delivery: Delivery,
    _place: OwnedSemaphorePermit,
}

/// The attempts of one task: at DescribeInstances, and at StopInstances.
struct Series {
    looks: Attempts,
    stops: Attempts,
}

/// The right to look at a batch and to stop it.
struct Turn<'series> {
    /// The right to one DescribeInstances call; `None` if the last look is recent enough.
    look: Option<Attempt<'series>>,
    /// The most instances that it may be about; the others take another turn.
    most: usize,
    /// The right to one StopInstances call.
    stop: StopTurn<'series>,
}

/// The right to one StopInstances call, and whether it is a trial.
struct StopTurn<'series> {
    attempt: Attempt<'series>,
    trial: Option<Trial>,
}

impl<'series> Turn<'series> {
    /// The right to look at a batch without stopping it.
    fn without_permit(look: Option<Attempt<'series>>, attempt: Attempt<'series>) -> Self {
        Self { look, most: usize::MAX, stop: StopTurn { attempt, trial: None } }
    }
}

/// Returns new batches, to be tried while those that a task has are held up by a pause.
type NewBatches<'task> = dyn Fn() -> Vec<StopBatch> + Sync + 'task;

impl Enforcer {
    /// Takes violators; waits only while too many wait already.
    pub(crate) async fn accept(self: &Arc<Self>, mut violators: Vec<Delivery>) {
        while !violators.is_empty() {
            let count = violators.len().min(self.context.settings.sizes.stop_queue);
            let places = u32::try_from(count).unwrap_or(u32::MAX);
            liveness::idle();
            // The semaphore is never closed.
            let room = Arc::clone(&self.room).acquire_many_owned(places).await;
            let Ok(mut places) = room else { return };
            let waiting = violators.drain(..count).filter_map(|delivery| {
                let place = places.split(1)?;
                Some(Violator { delivery, _place: place })
            });
            if self.violators.push(waiting) {
                self.start();
            }
        }
    }

    fn start(self: &Arc<Self>) {
        self.tasks.spawn("enforcer", Arc::clone(self).run());
    }

    /// Enforces until no violators wait.
    async fn run(self: Arc<Self>) {
        let mut worker = self.violators.worker();
        while let Some(violators) = worker.take(self.batch_limit()) {
            if worker.wants_colleague() {
                self.start();
            }
            let batch = StopBatch::new(without_places(violators));
            let new_batches = || {
                let waiting = self.violators.take_waiting(self.batch_limit());
                StopBatch::new(without_places(waiting)).unless_empty()
            };
            self.enforce("enforcer", vec![batch], &new_batches).await;
        }
    }

    /// The most instances that one call may stop.
    fn batch_limit(&self) -> usize {
        let limit = look_limit(self.context.policies().reads());
        self.target.rate_limits.most(self.context.settings.sizes.stop_batch).min(limit)
    }

    /// Works on batches until each delivery is stopped, ended otherwise, or parked. If that panics,
    /// the messages of those that are left are retried.
    async fn enforce(
        self: &Arc<Self>,
        task: &'static str,
        batches: Vec<StopBatch>,
        new_batches: &NewBatches<'_>,
    ) {
        let messages = batches.iter().map(|batch| batch.deliveries.len()).sum();
        let work = Box::pin(self.work(batches, new_batches));
        self.context.panic_guard.run(task, messages, work).await;
    }

    async fn work(self: &Arc<Self>, batches: Vec<StopBatch>, new_batches: &NewBatches<'_>) {
        let mut worklist = Worklist::new(batches);
        let (mut series, mut put_off) = (self.begin_series(), 0);
        while let Some(mut batch) = worklist.next() {
            self.keep_a_probe(&mut batch, &mut worklist);
            if self.stays_parked(&batch) {
                self.park(batch);
                continue;
            }
            let new = if batch.must_wait() { new_batches() } else { Vec::new() };
            if !new.is_empty() {
                worklist.push_tried(batch);
                worklist.push_new(new);
                continue;
            }
            if put_off < worklist.len() && self.needs_places(&batch) {
                // Another batch of this task may have them.
                put_off += 1;
                worklist.push_tried(batch);
                continue;
            }
            put_off = 0;
            let turn = match self.wait_for_turn(&mut batch, &mut series).await {
                Ok(turn) => turn,
                Err(why) => {
                    self.exits.give_up(batch.deliveries, why, STOP_FAILS);
                    continue;
                }
            };
            worklist.push_new(batch.split_off(turn.most));
            let mut left = self.look_and_stop(batch, turn).await;
            match left.pop() {
                Some(only) if left.is_empty() => worklist.push_tried(only),
                last => worklist.push_parts(left.into_iter().chain(last)),
            }
            if series.stops.are_paused() || series.looks.are_paused() {
                worklist.push_new(new_batches());
            }
        }
    }

    /// Puts off what waits for a target whose calls have been paused for long, all but one message
    /// to probe with. Nothing, where there is no other target.
    fn keep_a_probe(&self, batch: &mut StopBatch, worklist: &mut Worklist<StopBatch>) {
        let calls = [self.target.describe_instances(), self.target.stop_instances()];
        let paused = calls.iter().filter_map(|call| self.context.breakers.paused_for(call)).max();
        let is_long = paused.is_some_and(|paused| paused >= delays::TARGET_PAUSED);
        if !is_long || !self.share.is_limited() {
            return;
        }
        self.exits.tell_of_unreachable();
        let mut others = batch.deliveries.split_off(batch.deliveries.len().min(1));
        batch.permit = None;
        while let Some(batch) = worklist.next() {
            others.extend(batch.deliveries);
        }
        others.extend(without_places(self.violators.take_waiting(usize::MAX)));
        self.exits.put_off(others);
    }

    fn begin_series(&self) -> Series {
        let breakers = &self.context.breakers;
        Series {
            looks: breakers.step(self.target.describe_instances()),
            stops: breakers.step(self.target.stop_instances()),
        }
    }

    /// Waits until a batch may be looked at and stopped: for back-offs and pauses, until owners can
    /// be told, and then for a permit of the rate limit.
    ///
    /// A task that probes a paused DescribeInstances takes no permit to stop: permits held through
    /// the pause would all be spent at its end (16 tasks with 100 instances each, where EC2 allows
    /// 1,000). So permits come last.
    async fn wait_for_turn<'series>(
        &self,
        batch: &mut StopBatch,
        series: &'series mut Series,
    ) -> Result<Turn<'series>, GaveUp> {
        self.wait_for_tags(batch).await?;
        let attempt = series.stops.ready().await?;
        let look = if batch.is_fresh() { None } else { Some(series.looks.ready().await?) };
        // Most instances are not stopped now where there are policies besides that of the exception
        // tag, or a grace. Which of them are is found out without permits to stop.
        let is_first_judged = !batch.history.was_judged && !self.context.policies().is_plain();
        if look.as_ref().is_some_and(|look| look.is_probe() || is_first_judged) {
            return Ok(Turn::without_permit(look, attempt));
        }
        let room = self.budget_for(batch).await?;
        if room == 0 {
            return Ok(Turn::without_permit(look, attempt));
        }
        if look.is_some() {
            self.target.rate_limits.looks_unthrottled().await?;
        }
        let trial = self.until_stop_may_begin().await?;
        let most = if trial.is_some() { room.min(TRIAL_LIMIT) } else { room };
        if batch.permit.is_none() {
            let instances = batch.ids().len().min(most);
            batch.permit = Some(self.target.rate_limits.stop(instances).await?);
        }
        Ok(Turn { look, most, stop: StopTurn { attempt, trial } })
    }

    /// Waits until a batch may be looked at.
    ///
    /// # Errors
    /// When the drain begins first.
    async fn wait_for_tags(&self, batch: &StopBatch) -> Result<(), GaveUp> {
        let Some(at) = batch.not_before.filter(|_| batch.must_wait()) else { return Ok(()) };
        liveness::within(at.saturating_duration_since(Instant::now()));
        let waited = self.context.drain.run_until_cancelled(sleep_until(at)).await;
        waited.ok_or(GaveUp::HandBack)
    }

    /// Waits until owners can be told of stops, and the audit trail has them. Returns the trial, if the
    /// next stop has to be one.
    ///
    /// # Errors
    /// When the drain begins first.
    async fn until_stop_may_begin(&self) -> Result<Option<Trial>, GaveUp> {
        let may_begin = async {
            liveness::idle();
            self.exits.settlements.audit().until_sound().await;
            self.target.trials.until_stop_may_begin(&self.context.breakers).await
        };
        let trial = tokio::select! {
            biased;
            trial = may_begin => trial,
            () = self.context.drain.cancelled() => return Err(GaveUp::HandBack),
        };
        if self.drains_without_sns() { Err(GaveUp::HandBack) } else { Ok(trial) }
    }

    /// Whether publishing failed before the drain began. The drain ends a pause, since nobody
    /// probes it any more, so that the pause cannot tell.
    fn drains_without_sns(&self) -> bool {
        self.context.drain.is_cancelled() && self.context.breakers.is_failing(&Operation::Publish)
    }

    /// Whether publishing is paused, or was before the drain, so that no stop may begin.
    fn are_notices_held_up(&self) -> bool {
        self.context.breakers.is_paused(&Operation::Publish) || self.drains_without_sns()
    }

    /// Looks at a batch, if need be, and stops it right after: with a wait in between, such as that
    /// of a probe, no look would ever be recent enough. Returns the batches that are left to stop.
    async fn look_and_stop(self: &Arc<Self>, batch: StopBatch, turn: Turn<'_>) -> Vec<StopBatch> {
        let mut batches = match turn.look {
            Some(look) => self.recheck(batch, look).await,
            None => vec![batch],
        };
        batches = self.hold_back(batches).await;
        let Some(next) = batches.pop() else { return batches };
        if !next.is_fresh() || next.permit.is_none() {
            batches.push(next);
        } else if self.are_notices_held_up() || self.exits.settlements.audit().is_failing() {
            // That has come during the look: the stop must not begin any more.
            batches.push(StopBatch { permit: None, ..next });
        } else if self.must_park(&next) {
            self.park(next);
        } else {
            let (next, places, rest) = self.within_budget(next);
            if !next.deliveries.is_empty() {
                batches.extend(self.stop(next, places, turn.stop).await);
            }
            batches.extend(self.hold_back(rest.unless_empty()).await);
        }
        batches
    }

    /// The batches that are left to stop after a call for a batch failed with this error.
    fn after_failure(&self, batch: StopBatch, error: &AwsError, next: Next) -> Vec<StopBatch> {
        match next {
            Next::Again => return vec![batch],
            Next::Halve => return batch.halves().into(),
            Next::GiveUp => self.exits.ec2_keeps_failing(batch.deliveries, STOP_FAILS, error),
        }
        Vec::new()
    }

    /// Whether the role is known to work: it stopped an instance not long ago.
    fn is_role_sound(&self) -> bool {
        self.target.may_stop(&self.context)
    }

    /// Whether a stop has been parked for `policy.denial_timeout_secs`, so that it is to be
    /// refused.
    fn is_overdue(&self, history: &History) -> bool {
        let limit = self.context.settings.policy.denial_timeout;
        history.denied_since.is_some_and(|since| since.elapsed() >= limit)
    }

    /// Ends the deliveries of a batch as refused, which is announced.
    fn refuse(&self, batch: StopBatch, refusal: Refusal) {
        for delivery in batch.deliveries {
            self.exits.announce(delivery, Outcome::Refused(refusal));
        }
    }
}

/// Frees the places of violators.
fn without_places(violators: Vec<Violator>) -> Vec<Delivery> {
    violators.into_iter().map(|violator| violator.delivery).collect()
}
