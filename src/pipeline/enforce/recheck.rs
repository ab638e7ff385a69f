//! The second look, right before a stop.

use tracing::warn;

use super::Enforcer;
use super::batch::StopBatch;
use crate::aws::ec2::Described;
use crate::domain::outcome::Outcome;
use crate::domain::policy::verdict::{NotYet, SecondLook, Verdict};
use crate::pipeline::delivery::Delivery;
use crate::retry::attempts::Attempt;
use crate::retry::backoff::short_delay;
use crate::retry::delays;

/// Why messages are retried, in the log.
const LOOK_FAILS: &str = "look_failing";
const PENDING: &str = "instance_pending";
const UNKNOWN: &str = "instance_unknown";

/// Deliveries whose instances are to be stopped, apart by what EC2 can do with them.
#[derive(Default)]
struct ToStop {
    on_demand: Vec<Delivery>,
    spot: Vec<Delivery>,
}

impl Enforcer {
    /// Looks at the instances of a batch, ends what need not be stopped, and gives the rest in
    /// batches. After an error it gives what is to be looked at another time.
    pub(super) async fn recheck(&self, batch: StopBatch, attempt: Attempt<'_>) -> Vec<StopBatch> {
        if attempt.is_outdated() {
            // A pause of looks has begun during the wait for the rate limit.
            return vec![StopBatch { permit: None, ..batch }];
        }
        let permit = match self.target.rate_limits.look().await {
            Ok(permit) => permit,
            Err(why) => {
                self.exits.give_up(batch.deliveries, why, LOOK_FAILS);
                return Vec::new();
            }
        };
        let ids = batch.ids();
        let described = self.target.instances.describe(&ids).await;
        permit.ended(described.as_ref().err());
        match described {
            Ok(described) => {
                attempt.succeeded();
                // No half of a batch can be stopped upon a look that took too long for the whole.
                let is_too_old = described.at.elapsed() > delays::LOOK_FRESHNESS && ids.len() > 1;
                if is_too_old { batch.halves().into() } else { self.judge(batch, &described) }
            }
            Err(error) => {
                warn!(%error, instances = ids.len(), "cannot look at instances");
                let next = attempt.failed_for(&error, ids.len());
                self.after_failure(StopBatch { permit: None, ..batch }, next)
            }
        }
    }

    /// Does what the verdicts say, and gives those in batches whose verdict is to stop.
    fn judge(&self, batch: StopBatch, described: &Described) -> Vec<StopBatch> {
        let mut to_stop = ToStop::default();
        for delivery in batch.deliveries {
            let facts = described.facts.get(delivery.instance());
            let verdict = self.target.policy.verdict(SecondLook {
                facts,
                may_turn_up: delivery.may_turn_up(),
                is_own_host: self.target.own_host.as_ref() == Some(delivery.instance()),
            });
            let decision = verdict.decision().or(delivery.decision);
            let delivery = Delivery { decision, ..delivery };
            match verdict {
                Verdict::Stop if facts.is_some_and(|facts| facts.is_spot) => {
                    to_stop.spot.push(delivery);
                }
                Verdict::Stop => to_stop.on_demand.push(delivery),
                Verdict::Exempt => self.exits.settlements.delete(delivery, Outcome::Exempt),
                Verdict::Gone => self.exits.settlements.delete(delivery, Outcome::Gone),
                Verdict::AlreadyStopped => self.exits.announce(delivery, Outcome::Stopped),
                Verdict::Refuse(refusal) => {
                    self.exits.announce(delivery, Outcome::Refused(refusal));
                }
                Verdict::NotYet(why) => self.retry(delivery, why),
            }
        }
        let seen = StopBatch { deliveries: Vec::new(), looked_at: Some(described.at), ..batch };
        to_stop.into_batches(seen)
    }

    /// Retries a message whose instance cannot be judged yet.
    fn retry(&self, delivery: Delivery, why: NotYet) {
        let (reason, after) = match why {
            NotYet::Pending => (PENDING, short_delay(delivery.receives())),
            NotYet::Unknown => (UNKNOWN, delays::UNKNOWN_INSTANCE),
        };
        self.exits.settlements.retry(delivery, reason, after);
    }

    /// Ends a delivery whose instance EC2 did not know at the stop, or not yet.
    pub(super) fn absent(&self, delivery: Delivery) {
        if delivery.may_turn_up() {
            self.retry(delivery, NotYet::Unknown);
        } else {
            self.exits.settlements.delete(delivery, Outcome::Gone);
        }
    }
}

impl ToStop {
    /// A batch of each kind, like `seen`. The last one has its permit, since it is stopped next.
    fn into_batches(self, seen: StopBatch) -> Vec<StopBatch> {
        let StopBatch { looked_at, permit, history, .. } = seen;
        let mut batches: Vec<_> = [(self.on_demand, false), (self.spot, true)]
            .into_iter()
            .filter(|(deliveries, _)| !deliveries.is_empty())
            .map(|(deliveries, is_spot)| StopBatch {
                looked_at,
                is_spot,
                ..StopBatch::unseen(deliveries, history)
            })
            .collect();
        if let Some(next) = batches.last_mut() {
            next.permit = permit;
        }
        batches
    }
}
