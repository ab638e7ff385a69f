//! The look before a stop: what it shows decides who is stopped at all.

use std::time::Duration;

use tracing::warn;

use crate::aws::ec2::{Described, Facts, State};
use crate::domain::outcome::{Outcome, Refusal};
use crate::domain::policy::Decision;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::enforce::Enforcer;
use crate::pipeline::enforce::batch::{FRESHNESS, StopBatch};
use crate::retry::attempts::Attempts;
use crate::retry::backoff::short_return;

/// EC2 usually knows an instance within a minute of its event.
pub const ABSENT_DELAY: Duration = Duration::from_mins(1);

impl Enforcer {
    /// Looks again, settles what need not be stopped, and groups the rest; after a failure what is
    /// to be looked at another time.
    pub async fn look(&self, group: StopBatch, attempts: &mut Attempts<'_>) -> Vec<StopBatch> {
        if attempts.must_wait() {
            // A pause has begun during the wait for the pace.
            return vec![StopBatch { permit: None, ..group }];
        }
        let permit = match self.rate_limits.look().await {
            Ok(permit) => permit,
            Err(ended) => {
                self.end(group.deliveries, ended, "cannot look at the instance");
                return Vec::new();
            }
        };
        let ids = group.ids();
        let look = self.instances.look(&ids).await;
        self.rate_limits.looked(permit, look.as_ref().err());
        match look {
            Ok(look) if look.at.elapsed() > FRESHNESS && ids.len() > 1 => {
                attempts.succeeded();
                group.halves().into()
            }
            Ok(look) => {
                attempts.succeeded();
                self.sort_out(group, &look)
            }
            Err(failure) => {
                warn!(error = %failure, instances = ids.len(), "cannot look at instances");
                let halve = attempts.must_halve(&failure, ids.len());
                let group = StopBatch { permit: None, ..group };
                if halve { group.halves().into() } else { vec![group] }
            }
        }
    }

    fn sort_out(&self, group: StopBatch, look: &Described) -> Vec<StopBatch> {
        let (mut on_demand, mut spot) = (Vec::new(), Vec::new());
        for delivery in group.deliveries {
            match look.seen.get(delivery.instance()) {
                None => self.absent(delivery),
                Some(seen) if self.must_stop(&delivery, seen) => {
                    if seen.spot {
                        spot.push(delivery);
                    } else {
                        on_demand.push(delivery);
                    }
                }
                Some(seen) => self.spare(delivery, seen),
            }
        }
        let (at, history) = (look.at, group.history);
        let mut groups: Vec<_> = [(on_demand, false), (spot, true)]
            .into_iter()
            .filter(|(deliveries, _)| !deliveries.is_empty())
            .map(|(deliveries, spot)| StopBatch {
                spot,
                ..StopBatch::seen(deliveries, at, history)
            })
            .collect();
        // The last one is stopped right now.
        if let Some(next) = groups.last_mut() {
            next.permit = group.permit;
        }
        groups
    }

    fn must_stop(&self, delivery: &Delivery, seen: &Facts) -> bool {
        self.policy.decide(&seen.tags) == Decision::Violation
            && seen.state == State::Running
            && self.untried(delivery, seen).is_none()
    }

    /// Why a stop is not even tried.
    fn untried(&self, delivery: &Delivery, seen: &Facts) -> Option<Refusal> {
        if self.own_host.as_ref() == Some(delivery.instance()) {
            return Some(Refusal::OwnHost);
        }
        let managed = seen.managed.then_some(Refusal::Managed);
        managed.or(seen.instance_store.then_some(Refusal::InstanceStore))
    }

    /// Ends what the look shows not to be stopped.
    fn spare(&self, delivery: Delivery, seen: &Facts) {
        let allowed = self.policy.decide(&seen.tags) == Decision::Allow;
        match seen.state {
            _ if allowed => self.settlements.conclude(delivery, Outcome::Exempt),
            State::Terminated => self.settlements.conclude(delivery, Outcome::Gone),
            State::Stopped => self.announce(delivery, Outcome::Stopped),
            State::Pending => {
                let after = short_return(delivery.lease.receives());
                self.settlements.give_back(delivery, "the instance is pending", Some(after));
            }
            State::Running => {
                let refusal = self.untried(&delivery, seen).unwrap_or(Refusal::Unsupported);
                self.announce(delivery, Outcome::Refused(refusal));
            }
        }
    }

    /// Ends what EC2 does not know, or does not know yet.
    pub fn absent(&self, delivery: Delivery) {
        if delivery.may_turn_up() {
            self.settlements.give_back(
                delivery,
                "EC2 does not know the instance yet",
                Some(ABSENT_DELAY),
            );
        } else {
            self.settlements.conclude(delivery, Outcome::Gone);
        }
    }
}
