//! What becomes of an instance that violates a policy with a grace: its owner is told of the stop,
//! once for each launch, and the message is hidden until then.

use time::UtcDateTime;

use super::Enforcer;
use crate::domain::outcome::Outcome;
use crate::domain::policy::verdict::NotYet;
use crate::domain::trigger::Trigger;
use crate::inflight::plans::Planning;
use crate::pipeline::delivery::{Delivery, Promise};
use crate::pipeline::exits::PLAN_BEING_TOLD;
use crate::pipeline::settle::Finished;
use crate::retry::backoff::short_delay;

/// The word for the log field `reason` of a message that is deleted because another one waits for the
/// stop.
const PLANNED_BEFORE: &str = "planned_before";

impl Enforcer {
    /// Has the owner told that the instance will be stopped, unless this process has told that, and
    /// the message hidden until then.
    pub(super) fn plan(
        &self,
        delivery: Delivery,
        launched: Option<UtcDateTime>,
        stop: UtcDateTime,
    ) {
        let plans = &self.planner.plans;
        if delivery.event.trigger == Trigger::Start {
            plans.take_over(&delivery.event.key, launched);
        }
        match plans.plan(&delivery.event.key, launched, self.planner.now()) {
            Planning::Tell(telling) => {
                self.exits.announce(
                    delivery.promising(Promise::Telling(telling)),
                    Outcome::Planned(stop),
                );
            }
            Planning::Wait => {
                let until = self.planner.returns(stop, delivery.arrival());
                self.exits.settlements.hide(delivery, stop, until);
            }
            Planning::NotNeeded if delivery.is_said_exempt && delivery.receives() == 1 => {
                self.retry(delivery, NotYet::TagsDisagree);
            }
            Planning::NotNeeded => {
                let finished = Finished::from(delivery).because(PLANNED_BEFORE);
                self.exits.settlements.delete(finished, Outcome::Duplicate);
            }
            Planning::BeingTold => {
                let after = short_delay(delivery.receives());
                self.exits.settlements.retry(delivery, PLAN_BEING_TOLD, after);
            }
        }
    }
}
