//! The look before a stop: what it shows decides who is stopped at all.

use std::time::Duration;

use tracing::warn;

use crate::aws::ec2::{Look, Seen, State};
use crate::domain::outcome::{Outcome, Refusal};
use crate::domain::policy::Decision;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::enforce::Stopper;
use crate::pipeline::enforce::batch::{FRESHNESS, Group};
use crate::retry::attempts::Attempts;
use crate::retry::backoff::short_return;

/// EC2 usually knows an instance within a minute of its event.
pub const ABSENT_DELAY: Duration = Duration::from_mins(1);

impl Stopper {
    /// Looks again, settles what need not be stopped, and groups the rest; after a failure what is
    /// to be looked at another time.
    pub async fn look(&self, group: Group, attempts: &mut Attempts<'_>) -> Vec<Group> {
        if attempts.must_wait() {
            // A pause has begun during the wait for the pace.
            return vec![Group { leave: None, ..group }];
        }
        let leave = match self.pace.look().await {
            Ok(leave) => leave,
            Err(ended) => {
                self.end(group.deliveries, ended, "cannot look at the instance");
                return Vec::new();
            }
        };
        let ids = group.ids();
        let look = self.instances.look(&ids).await;
        self.pace.looked(leave, look.as_ref().err());
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
                let group = Group { leave: None, ..group };
                if halve { group.halves().into() } else { vec![group] }
            }
        }
    }

    fn sort_out(&self, group: Group, look: &Look) -> Vec<Group> {
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
            .map(|(deliveries, spot)| Group { spot, ..Group::seen(deliveries, at, history) })
            .collect();
        // The last one is stopped right now.
        if let Some(next) = groups.last_mut() {
            next.leave = group.leave;
        }
        groups
    }

    fn must_stop(&self, delivery: &Delivery, seen: &Seen) -> bool {
        self.policy.decide(&seen.tags) == Decision::Violation
            && seen.state == State::Running
            && self.untried(delivery, seen).is_none()
    }

    /// Why a stop is not even tried.
    fn untried(&self, delivery: &Delivery, seen: &Seen) -> Option<Refusal> {
        if self.own_host.as_ref() == Some(delivery.instance()) {
            return Some(Refusal::OwnHost);
        }
        let managed = seen.managed.then_some(Refusal::Managed);
        managed.or(seen.instance_store.then_some(Refusal::InstanceStore))
    }

    /// Ends what the look shows not to be stopped.
    fn spare(&self, delivery: Delivery, seen: &Seen) {
        let allowed = self.policy.decide(&seen.tags) == Decision::Allow;
        match seen.state {
            _ if allowed => self.desk.conclude(delivery, Outcome::Exempt),
            State::Terminated => self.desk.conclude(delivery, Outcome::Gone),
            State::Stopped => self.announce(delivery, Outcome::Stopped),
            State::Pending => {
                let after = short_return(delivery.lease.receives());
                self.desk.give_back(delivery, "the instance is pending", Some(after));
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
            self.desk.give_back(delivery, "EC2 does not know the instance yet", Some(ABSENT_DELAY));
        } else {
            self.desk.conclude(delivery, Outcome::Gone);
        }
    }
}
