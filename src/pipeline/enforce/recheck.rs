//! The second look: reads with DescribeInstances, at most 5 s before the stop, whether the
//! instances of a batch are still to be stopped.

use std::sync::Arc;
use std::time::Duration;

use time::UtcDateTime;
use tokio::time::timeout;
use tracing::warn;

use super::Enforcer;
use super::batch::{History, Kind, StopBatch};
use super::faults::Faults;
use crate::aws::ec2::Described;
use crate::aws::error::{AwsError, Class, table};
use crate::domain::notice::told;
use crate::domain::outcome::Outcome;
use crate::domain::policy::Policies;
use crate::domain::policy::facts::{Facts, InstanceState};
use crate::domain::policy::occasion::{Occasion, Trigger};
use crate::domain::policy::subject::Subject;
use crate::domain::policy::verdict::{Judgement, NotYet, SecondLook, StopSoFar, Verdict};
use crate::pipeline::delivery::{Delivery, FirstLook, Shown};
use crate::pipeline::exits::TOLD_BEFORE;
use crate::pipeline::settle::Finished;
use crate::pipeline::target::Target;
use crate::retry::attempts::Attempt;
use crate::retry::backoff::short_delay;
use crate::retry::delays;

/// The words for the log field `reason` of messages that are retried because EC2 needs more time.
const PENDING: &str = "instance_pending";
const UNKNOWN: &str = "instance_unknown";
const MAY_RUN: &str = "instance_may_run";
const TAGS_DISAGREE: &str = "tags_disagree";
const TOO_YOUNG: &str = "instance_just_started";

/// The occasions of the decisions about a batch, which are all made by the same time.
struct Occasions {
    now: UtcDateTime,
    start: Occasion,
    tag: Occasion,
    sweep: Occasion,
}

/// Deliveries whose instances are to be stopped, by what the look showed of these.
#[derive(Default)]
struct ToStop {
    on_demand: Vec<Delivery>,
    spot: Vec<Delivery>,
    seen_stopped: Vec<Delivery>,
}

impl Enforcer {
    /// Looks at the instances of a batch, and ends the deliveries whose instance need not be
    /// stopped. Returns the others in batches: to be stopped, or after a failure to be looked at
    /// again.
    pub(super) async fn recheck(&self, batch: StopBatch, attempt: Attempt<'_>) -> Vec<StopBatch> {
        if attempt.is_outdated() {
            // DescribeInstances was paused while this task waited for a permit to stop.
            return vec![StopBatch { permit: None, ..batch }];
        }
        let permit = match self.target.rate_limits.look().await {
            Ok(permit) => permit,
            Err(why) => {
                self.exits.give_up(batch.deliveries, why, super::STOP_FAILS);
                return Vec::new();
            }
        };
        let ids = batch.ids();
        let policies = self.context.policies();
        let instances = self.target.instances.reading(policies.reads());
        let described = instances.describe(&ids, self.context.clock).await;
        self.target.rate_limits.looked(permit, described.as_ref().err());
        match described {
            Ok(described) => {
                let mut batch = batch;
                if batch.has_outdated_tags(policies.reads()) {
                    self.look_up_again(&mut batch, &described, &policies).await;
                }
                let to_stop = self.judge(batch, &described, &policies);
                if described.at.elapsed() <= delays::LOOK_FRESHNESS {
                    attempt.succeeded();
                    return to_stop;
                }
                self.look_faster(to_stop, &described, attempt)
            }
            Err(error) => {
                warn!(%error, instances = ids.len(), "cannot look at instances");
                // The rate limit makes the next look wait. The batch keeps its permit to stop.
                if error.class == Class::Throttled {
                    return vec![batch];
                }
                let next = attempt.failed_for(&error, ids.len());
                self.after_failure(StopBatch { permit: None, ..batch }, &error, next)
            }
        }
    }

    /// Asks DescribeTags once more, since what it showed is old, or not all that policies mention
    /// now. That takes at most half of the time that is left for the stop; without an answer by
    /// then, what it showed before counts.
    async fn look_up_again(
        &self,
        batch: &mut StopBatch,
        described: &Described,
        policies: &Policies,
    ) {
        let Target { rate_limits, instances, .. } = &*self.target;
        let ids = batch.ids();
        let look_up = async {
            let permit = rate_limits.look().await.ok()?;
            let tags = instances.reading(policies.reads()).tags(&ids).await;
            rate_limits.looked(permit, tags.as_ref().err());
            tags.inspect_err(|error| warn!(%error, "cannot look up tags again")).ok()
        };
        let left = delays::LOOK_FRESHNESS.saturating_sub(described.at.elapsed());
        let Ok(Some(tags)) = timeout(left / 2, look_up).await else { return };
        for delivery in &mut batch.deliveries {
            let tags = tags.get(delivery.instance()).cloned().unwrap_or_default();
            delivery.first_look = FirstLook::now(tags, policies);
        }
    }

    /// What is to be done with batches whose look took over 5 s, so that it is too old for a stop.
    /// A look of several pages is repeated with fewer instances. Of one page it is repeated after a
    /// back-off; where all looks are that slow, DescribeInstances is paused.
    fn look_faster(
        &self,
        batches: Vec<StopBatch>,
        look: &Described,
        attempt: Attempt<'_>,
    ) -> Vec<StopBatch> {
        let history = batches.first().map(|batch| batch.history).unwrap_or_default();
        let deliveries: Vec<_> = batches.into_iter().flat_map(|batch| batch.deliveries).collect();
        if deliveries.is_empty() {
            attempt.succeeded();
            return Vec::new();
        }
        let late = StopBatch::unseen(deliveries, history);
        let (took, instances) = (look.at.elapsed(), late.ids().len());
        let message = format!("it took {took:.1?}, and a stop may not be sent upon it any more");
        let error = AwsError::of(&table::SLOW_LOOK, message);
        warn!(%error, instances, pages = look.pages, "the look at instances is too old to stop them");
        if look.pages > 1 && instances > 1 {
            attempt.answered();
            return late.halves().into();
        }
        let next = attempt.failed(&error);
        self.after_failure(late, &error, next)
    }

    /// Gives the verdict on each instance, and ends its delivery unless it is to be stopped.
    /// Returns those that are, in batches.
    fn judge(
        &self,
        batch: StopBatch,
        described: &Described,
        policies: &Policies,
    ) -> Vec<StopBatch> {
        let occasions = Occasions::now(policies, self.planner.now());
        let (mut to_stop, mut faults) = (ToStop::default(), Faults::default());
        for delivery in batch.deliveries {
            let shown = described.facts.get(delivery.instance());
            let facts = shown.map(|facts| &**facts);
            let judgement = self.judgement(&delivery, facts, (policies, occasions.of(&delivery)));
            faults.add(&judgement.decision);
            let verdict = judgement.verdict;
            let decision = judgement.decided().map(Arc::new).or(delivery.decision);
            let second_look = shown.map(|facts| Shown {
                at: described.at,
                facts: Arc::clone(facts),
                policies: policies.digest(),
            });
            let delivery = Delivery { decision, second_look, ..delivery };
            match verdict {
                Verdict::Stop if self.is_planned_by_another(&delivery) => {
                    self.plan(delivery, facts.and_then(Facts::launched), occasions.now);
                }
                Verdict::Stop => {
                    let kind = facts.map(kind).unwrap_or_default();
                    to_stop.of_kind(kind).push(delivery);
                }
                Verdict::Plan(stop) => self.plan(delivery, facts.and_then(Facts::launched), stop),
                Verdict::Warn if was_told(&delivery, Outcome::Warned) => {
                    self.repeat(delivery);
                }
                Verdict::Refuse(why) if was_told(&delivery, Outcome::Refused(why)) => {
                    self.repeat(delivery);
                }
                other => self.end(delivery, other),
            }
        }
        faults.report(&self.context.metrics);
        let history = History { was_judged: true, ..batch.history };
        let looked_at = Some(described.at);
        let seen = StopBatch { deliveries: Vec::new(), looked_at, history, ..batch };
        to_stop.into_batches(seen)
    }

    /// Gives the verdict on the instance of a delivery.
    fn judgement(
        &self,
        delivery: &Delivery,
        facts: Option<&Facts>,
        (policies, occasion): (&Policies, &Occasion),
    ) -> Judgement {
        let launched = facts.and_then(Facts::launched);
        let judgement = policies.verdict(
            SecondLook {
                subject: Subject::from(&delivery.event.key),
                first_tags: &delivery.first_look.tags,
                facts,
                was_absent: was_absent(delivery, facts),
                is_recent: delivery.is_recent(),
                is_own_host: self.target.own_host.as_ref() == Some(delivery.instance()),
                started: delivery.event.time.map(UtcDateTime::from),
                told: self.planner.plans.told(&delivery.event.key, launched),
                earliest_stop: (!delivery.is_younger_than(delays::PLANNING_AGE))
                    .then(|| self.planner.earliest_stop()),
                stop: if delivery.claim.has_sent_stop() {
                    StopSoFar::Sent
                } else {
                    StopSoFar::NotSent
                },
            },
            occasion,
        );
        if is_another_launch(delivery, facts) || is_news_to_sweep(delivery, judgement.verdict) {
            return Judgement { verdict: Verdict::NotYet(NotYet::TooYoung), ..judgement };
        }
        if delivery.first_look.shows_all_of(policies.reads()) {
            return judgement;
        }
        // The policies were changed since the first look, which does not show all that they
        // mention.
        match judgement.verdict {
            Verdict::Gone | Verdict::NotRunning | Verdict::Exempt | Verdict::NotYet(_) => judgement,
            _ => Judgement { verdict: Verdict::NotYet(NotYet::TagsDisagree), ..judgement },
        }
    }

    /// Ends the delivery of an instance that is not to be stopped now.
    fn end(&self, delivery: Delivery, verdict: Verdict) {
        let settlements = &self.exits.settlements;
        match verdict {
            Verdict::Exempt => self.exits.left_running(delivery, Outcome::Exempt),
            Verdict::Compliant => self.exits.left_running(delivery, Outcome::Compliant),
            Verdict::WouldStop(refusal) => {
                self.exits.left_running(delivery, Outcome::WouldStop(refusal));
            }
            Verdict::Warn => self.exits.left_running(delivery, Outcome::Warned),
            Verdict::NotRunning => settlements.delete(delivery, Outcome::NotRunning),
            Verdict::Gone => settlements.delete(delivery, Outcome::Gone),
            Verdict::AlreadyStopped if self.was_launch_stopped(&delivery) => {
                let finished = Finished::from(delivery).because(TOLD_BEFORE);
                settlements.delete(finished, Outcome::AnnouncedBefore);
            }
            Verdict::AlreadyStopped => self.exits.announce(delivery, Outcome::Stopped),
            Verdict::Refuse(refusal) => self.exits.announce(delivery, Outcome::Refused(refusal)),
            Verdict::NotYet(why) => self.retry(delivery, why),
            // These two do not come here; a retry is safe.
            Verdict::Plan(_) | Verdict::Stop => self.retry(delivery, NotYet::TooYoung),
        }
    }

    /// Whether the owner of the instance was told of a stop by another event, whose message waits.
    fn is_planned_by_another(&self, delivery: &Delivery) -> bool {
        delivery.event.trigger == Trigger::Tag
            && self.planner.plans.has_another(&delivery.event.key)
    }

    /// Whether the owner was told, by a sweep or another event, that this launch was stopped.
    fn was_launch_stopped(&self, delivery: &Delivery) -> bool {
        let sense = delivery.sense(Outcome::Stopped);
        self.exits.launches.know(&delivery.event.key, delivery.launched(), &sense)
    }

    /// Deletes the message of a change of tags of which there is nothing new to tell.
    fn repeat(&self, delivery: Delivery) {
        let finished = Finished::from(delivery).because(TOLD_BEFORE);
        self.exits.settlements.delete(finished, Outcome::Duplicate);
    }

    /// Retries a message whose instance cannot be judged yet.
    pub(super) fn retry(&self, delivery: Delivery, why: NotYet) {
        let (reason, after) = match why {
            NotYet::Pending => (PENDING, short_delay(delivery.receives())),
            NotYet::Unknown => (UNKNOWN, delays::UNKNOWN_INSTANCE),
            NotYet::MayRun => (MAY_RUN, delays::UNKNOWN_INSTANCE),
            NotYet::TagsDisagree => (TAGS_DISAGREE, tags_delay(delivery.receives())),
            NotYet::TooYoung => {
                let left = delays::PLANNING_AGE.saturating_sub(delivery.arrival().age());
                (TOO_YOUNG, left + delays::DATE_PRECISION)
            }
        };
        self.exits.settlements.retry(delivery, reason, after);
    }

    /// Ends a delivery whose instance EC2 did not know at the stop. Retries it if the event is so
    /// young that the instance may still turn up.
    pub(super) fn retry_or_end_unknown(&self, delivery: Delivery) {
        if delivery.is_recent() || !was_absent(&delivery, None) {
            self.retry(delivery, NotYet::Unknown);
        } else {
            self.exits.settlements.delete(delivery, Outcome::Gone);
        }
    }
}

/// Whether an instance was started again after a sweep had found it: its event is on its way.
fn is_another_launch(delivery: &Delivery, facts: Option<&Facts>) -> bool {
    let found = delivery.origin.nomination().map(|nomination| nomination.launched);
    let now = facts.and_then(Facts::launched);
    found.zip(now).is_some_and(|(found, now)| found != now)
}

/// Whether an instance is to be stopped that was not, when a sweep found it minutes before: the next
/// one will know.
fn is_news_to_sweep(delivery: &Delivery, verdict: Verdict) -> bool {
    let nomination = delivery.origin.nomination();
    matches!(verdict, Verdict::Stop | Verdict::Plan(_))
        && nomination.is_some_and(|nomination| !nomination.may_be_stopped)
}

/// Whether the instance goes on running after a change of its tags that makes no difference to what
/// its owner was told before.
fn was_told(delivery: &Delivery, outcome: Outcome) -> bool {
    let decision = delivery.decision.as_deref();
    delivery.event.trigger == Trigger::Tag
        && delivery.claim.was_told(&delivery.event.key, &told::sense(outcome, decision))
}

/// Whether a look a minute ago or more did not show the instance either; remembers what this one
/// shows.
fn was_absent(delivery: &Delivery, facts: Option<&Facts>) -> bool {
    if facts.is_some() {
        delivery.claim.is_there();
    }
    facts.is_none() && delivery.claim.absent_for() >= delays::UNKNOWN_INSTANCE
}

/// How long a message waits whose instance violates a policy by one reading of its tags alone.
fn tags_delay(receives: u32) -> Duration {
    if receives <= SOON { delays::TAGS_SHOW } else { delays::UNKNOWN_INSTANCE }
}

/// How many receives of such a message follow each other soon.
const SOON: u32 = 3;

/// What a look at an instance that is to be stopped showed of it.
fn kind(facts: &Facts) -> Kind {
    match facts.state {
        InstanceState::Stopped => Kind::SeenStopped,
        _ if facts.is_spot => Kind::Spot,
        _ => Kind::OnDemand,
    }
}

impl Occasions {
    fn now(policies: &Policies, now: UtcDateTime) -> Self {
        let [start, tag, sweep] = Trigger::ALL.map(|trigger| policies.occasion(now, trigger));
        Self { now, start, tag, sweep }
    }

    fn of(&self, delivery: &Delivery) -> &Occasion {
        match delivery.event.trigger {
            Trigger::Tag => &self.tag,
            Trigger::Start => &self.start,
            Trigger::Sweep => &self.sweep,
        }
    }
}

impl ToStop {
    fn of_kind(&mut self, kind: Kind) -> &mut Vec<Delivery> {
        match kind {
            Kind::OnDemand => &mut self.on_demand,
            Kind::Spot => &mut self.spot,
            Kind::SeenStopped => &mut self.seen_stopped,
        }
    }

    /// A batch of each kind of which there are instances, with the look and the history of `seen`.
    /// The last one gets the permit of `seen`, since it is stopped next.
    fn into_batches(self, seen: StopBatch) -> Vec<StopBatch> {
        let StopBatch { looked_at, permit, history, .. } = seen;
        let Self { on_demand, spot, seen_stopped } = self;
        let kinds =
            [(seen_stopped, Kind::SeenStopped), (on_demand, Kind::OnDemand), (spot, Kind::Spot)];
        let mut batches: Vec<_> = kinds
            .into_iter()
            .filter(|(deliveries, _)| !deliveries.is_empty())
            .map(|(deliveries, kind)| StopBatch {
                looked_at,
                kind,
                ..StopBatch::unseen(deliveries, history)
            })
            .collect();
        if let Some(next) = batches.last_mut() {
            next.permit = permit;
        }
        batches
    }
}
