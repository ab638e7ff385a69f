//! The evaluators: read the tags of the instances that wait, with one DescribeTags call for up to
//! 190 of them (the first look), and send those that are not exempt to the enforcers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::warn;

use crate::aws::ec2::look_limit;
use crate::aws::error::{AwsError, Class};
use crate::domain::ids::InstanceId;
use crate::domain::outcome::Outcome;
use crate::domain::policy::Policies;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::facts::Tags;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::{self, Delivery, FirstLook};
use crate::pipeline::enforce::Enforcer;
use crate::pipeline::exits::Exits;
use crate::pipeline::inbox::Waiting;
use crate::pipeline::planner::Planner;
use crate::pipeline::share::Share;
use crate::pipeline::target::Target;
use crate::rate_limit::Permit;
use crate::retry::attempts::{Attempt, Attempts, GaveUp, Next};
use crate::retry::delays;
use crate::runtime::pool::Pool;
use crate::runtime::work_queue::WorkQueue;
use crate::runtime::worklist::Worklist;

/// The word for the log field `reason` of messages that are retried because DescribeTags kept
/// failing.
const LOOK_UP_FAILS: &str = "tag_lookup_failing";

/// What the evaluator tasks of a target share.
#[derive(Debug)]
pub(crate) struct Evaluator {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// The account and region whose instances are looked up.
    pub(crate) target: Arc<Target>,
    /// Deliveries that wait for their first look.
    pub(crate) inbox: Arc<WorkQueue<Waiting>>,
    /// How much of all that is held may be of this target.
    pub(crate) share: Share,
    /// Who stops those that are not exempt.
    pub(crate) enforcer: Arc<Enforcer>,
    /// The tasks of all targets.
    pub(crate) tasks: Pool,
    /// Where the other deliveries are sent.
    pub(crate) exits: Exits,
    /// Knows the time of day, at which an exemption may have ended.
    pub(crate) planner: Arc<Planner>,
}

impl Evaluator {
    /// Puts a delivery into the inbox, or puts it off if the target has its share or is paused. In a
    /// pause one may wait: it probes next, since the one that probes now may be why looks fail.
    pub(crate) fn accept(self: &Arc<Self>, waiting: Waiting) {
        self.context.metrics.added_to_inbox();
        let may_not_wait = || self.has_been_paused() && self.inbox.len() > 0;
        if self.share.is_limited() && (self.has_its_share() || may_not_wait()) {
            return self.exits.put_off(self.free_places(vec![waiting]));
        }
        let Waiting { delivery, place } = waiting;
        let delivery = delivery.counted(self.target.held.count());
        if self.inbox.push([Waiting { delivery, place }]) {
            self.start();
        }
    }

    /// Whether there is nothing to evaluate or to enforce.
    pub(crate) fn is_idle(&self) -> bool {
        self.inbox.is_idle() && self.enforcer.violators.is_idle()
    }

    fn has_its_share(&self) -> bool {
        self.share.is_used_up(self.target.held.messages(), self.inbox.len())
    }

    /// Whether looks have been paused for so long that messages had better not wait for them here.
    fn has_been_paused(&self) -> bool {
        let paused = self.context.breakers.paused_for(&self.target.describe_tags());
        paused.is_some_and(|paused| paused >= delays::TARGET_PAUSED)
    }

    /// Puts off what waits for a paused target, all but one message to probe with.
    fn keep_a_probe(&self, batch: &mut Vec<Delivery>, worklist: &mut Worklist<Vec<Delivery>>) {
        if !self.share.is_limited() || !self.has_been_paused() {
            return;
        }
        self.exits.tell_of_unreachable();
        let mut others = batch.split_off(batch.len().min(1));
        while let Some(batch) = worklist.next() {
            others.extend(batch);
        }
        others.extend(self.waiting(0));
        self.exits.put_off(others);
    }

    fn start(self: &Arc<Self>) {
        self.tasks.spawn("evaluator", Arc::clone(self).run());
    }

    /// Evaluates until the inbox is empty.
    async fn run(self: Arc<Self>) {
        let mut worker = self.inbox.worker();
        let more_follow = |waiting: &Waiting| waiting.place.more_follow;
        // A full poll is followed by the next one at once: wait for its messages, too.
        while let Some(waiting) =
            worker.take_and_fill(self.limit(), delays::BATCH_FILL, more_follow).await
        {
            if worker.wants_colleague() {
                self.start();
            }
            let batch = self.free_places(waiting);
            if self.context.polling_ended.is_cancelled() {
                self.exits.give_up(batch, GaveUp::HandBack, LOOK_UP_FAILS);
                continue;
            }
            let (messages, work) = (batch.len(), Box::pin(self.evaluate(batch)));
            self.context.panic_guard.run("evaluator", messages, work).await;
        }
    }

    /// The most instances that one call may be about.
    fn limit(&self) -> usize {
        look_limit(self.context.policies().reads()).min(self.context.settings.sizes.batch)
    }

    /// Frees the places that deliveries had in the inbox.
    fn free_places(&self, waiting: Vec<Waiting>) -> Vec<Delivery> {
        self.context.metrics.taken_from_inbox(waiting.len());
        waiting.into_iter().map(|waiting| waiting.delivery).collect()
    }

    /// Works on a batch, and on the parts into which failures split it, until each delivery is sent
    /// on, ended or given up.
    async fn evaluate(&self, batch: Vec<Delivery>) {
        let mut worklist = Worklist::new([batch]);
        let mut attempts = self.context.breakers.step(self.target.describe_tags());
        let mut has_failed = false;
        while let Some(mut batch) = worklist.next() {
            self.keep_a_probe(&mut batch, &mut worklist);
            // What has failed, or may be why there is a pause, would hold up those that join it.
            let may_grow = !has_failed && !attempts.are_paused();
            let turn = match self.wait_for_turn(&mut attempts).await {
                Ok(turn) => turn,
                Err(why) => {
                    self.exits.give_up(batch, why, LOOK_UP_FAILS);
                    continue;
                }
            };
            if may_grow {
                // The call costs the same for those that came while it was waited for.
                batch.extend(self.waiting(batch.len()));
            }
            match self.look_up(&batch, turn).await {
                Ok(shown) => {
                    let violators = self.delete_exempt(batch, shown);
                    self.enforcer.accept(violators).await;
                }
                Err(NoTags::Throttled) => worklist.push_tried(batch),
                Err(NoTags::Failed(next, error)) => {
                    has_failed = true;
                    self.after_failure(batch, (next, &error), &mut worklist);
                }
            }
            if attempts.are_paused() {
                worklist.push_new(self.new_batch());
            }
        }
    }

    /// Waits for back-offs and pauses, and then for a permit of the rate limit.
    async fn wait_for_turn<'series>(
        &self,
        attempts: &'series mut Attempts,
    ) -> Result<Turn<'series>, GaveUp> {
        let attempt = attempts.ready().await?;
        let permit = self.target.rate_limits.look().await?;
        Ok(Turn { attempt, permit })
    }

    fn after_failure(
        &self,
        batch: Vec<Delivery>,
        (next, error): (Next, &AwsError),
        worklist: &mut Worklist<Vec<Delivery>>,
    ) {
        match next {
            Next::Again => worklist.push_tried(batch),
            Next::Halve => worklist.push_parts(delivery::halves(batch)),
            Next::GiveUp => self.exits.ec2_keeps_failing(batch, LOOK_UP_FAILS, error),
        }
    }

    /// Takes a batch from the inbox, to be tried while those that this task has are held up by a
    /// pause: the pause may be due to one of their instances.
    fn new_batch(&self) -> Option<Vec<Delivery>> {
        let batch = self.waiting(0);
        (!batch.is_empty()).then_some(batch)
    }

    /// Takes what waits in the inbox, as much as fits into a batch of this size.
    fn waiting(&self, size: usize) -> Vec<Delivery> {
        let room = self.limit().saturating_sub(size);
        self.free_places(self.inbox.take_waiting(room))
    }

    /// Reads the tags of the instances of a batch that policies mention. An instance without any is
    /// missing in the result.
    async fn look_up(&self, batch: &[Delivery], turn: Turn<'_>) -> Result<Shown, NoTags> {
        let ids = delivery::instances(batch);
        let policies = self.context.policies();
        let tags = self.target.instances.reading(policies.reads()).tags(&ids).await;
        self.target.rate_limits.looked(turn.permit, tags.as_ref().err());
        match tags {
            Ok(tags) => {
                turn.attempt.succeeded();
                Ok(Shown { tags, policies })
            }
            Err(error) => {
                warn!(%error, instances = ids.len(), "cannot look up tags");
                // The rate limit makes the next look wait.
                if error.class == Class::Throttled {
                    return Err(NoTags::Throttled);
                }
                Err(NoTags::Failed(turn.attempt.failed_for(&error, ids.len()), error))
            }
        }
    }

    /// Deletes the messages of exempt instances, and returns the other deliveries.
    fn delete_exempt(&self, batch: Vec<Delivery>, shown: Shown) -> Vec<Delivery> {
        let Shown { tags, policies } = shown;
        // Of one policy it is known already that it is violated; others need the second look.
        let violation = policies.is_plain().then(|| Arc::new(Decision::plain()));
        let (now, mut others) = (self.planner.now(), Vec::new());
        for delivery in batch {
            let tags = tags.get(delivery.instance()).cloned().unwrap_or_default();
            let exemption = policies.exemption(&tags, now);
            let delivery = delivery.seen(FirstLook::now(tags, &policies));
            if policies.exempts(&exemption) {
                let delivery = delivery.decided(Arc::new(Decision::exempted(exemption)));
                self.exits.left_running(delivery, Outcome::Exempt);
            } else {
                let decision = violation.clone();
                others.push(Delivery { decision, ..delivery });
            }
        }
        others
    }
}

/// The right to one DescribeTags call.
struct Turn<'series> {
    attempt: Attempt<'series>,
    permit: Permit,
}

/// What a look at the tags of a batch showed.
struct Shown {
    tags: BTreeMap<InstanceId, Tags>,
    /// The policies that said what was read.
    policies: Arc<Policies>,
}

/// Why the tags of a batch could not be read.
enum NoTags {
    /// EC2 throttled the call, which says nothing about the batch.
    Throttled,
    /// The call failed; says what to do next.
    Failed(Next, AwsError),
}
