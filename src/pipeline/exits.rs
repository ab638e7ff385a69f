//! The two ways in which a delivery leaves a stage for good: to the settlers, or to the notifiers,
//! which have it settled after its notice is published.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::aws::error::AwsError;
use crate::domain::ids::Account;
use crate::domain::outcome::{Outcome, Refusal};
use crate::domain::policy::mode::Mode;
use crate::inflight::launches::Launches;
use crate::inflight::plans::{CallOff, Plans};
use crate::pipeline::budget::tags::HoldTags;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::{Delivery, Promise};
use crate::pipeline::nomination::Tells;
use crate::pipeline::operators::{Matter, OperatorNotice, Operators};
use crate::pipeline::settle::{Finished, Settlements};
use crate::retry::attempts::GaveUp;
use crate::retry::delays;

/// The word for the log field `reason` of a message that is retried because the owner is being told
/// of a planned stop of its instance.
pub(crate) const PLAN_BEING_TOLD: &str = "plan_being_announced";

/// The word for the log field `reason` of a message that is hidden because its account and region
/// have their share of what is held, or cannot be called.
const TARGET_HELD_UP: &str = "target_held_up";

/// The word for the log field `reason` of a message that is deleted, and of an instance that a sweep
/// found, because the owner was told the same before.
pub(crate) const TOLD_BEFORE: &str = "told_before";

/// The most pauses of which one notice tells.
const SHOWN_PAUSES: usize = 100;

/// What is told in one notice: the outcome of one delivery, or of several in a digest.
pub(crate) type Announcement = Vec<(Delivery, Outcome)>;

/// Where a stage sends deliveries that it has finished with. Clones share the channels, which close
/// when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Exits {
    /// The channels to the settlers.
    pub(crate) settlements: Arc<Settlements>,
    /// The channel to the notifiers, or to the task that makes digests: deliveries whose outcome is
    /// to be announced.
    pub(crate) notices: UnboundedSender<Announcement>,
    /// Holds stops, where the budget is used up.
    pub(crate) hold_tags: HoldTags,
    /// Who takes notices to operators.
    pub(crate) operators: Arc<Operators>,
    /// How often a message is received before SQS moves it to the dead-letter queue; `None` without
    /// a redrive policy.
    pub(crate) max_receives: Option<u32>,
    /// Which owners were told of a stop to come.
    pub(crate) plans: Arc<Plans>,
    /// What owners were told of launches, where there are sweeps.
    pub(crate) launches: Arc<Launches>,
    /// How long the queue keeps a message.
    pub(crate) retention: Duration,
    /// The account of the daemon's own credentials.
    pub(crate) own_account: Account,
    /// What all stages share.
    pub(crate) context: Arc<Context>,
}

impl Exits {
    /// Has an outcome announced, and then its message deleted. A stop is remembered before, so that
    /// a later message of the event goes straight to its notice, should this one be retried.
    pub(crate) fn announce(&self, delivery: Delivery, outcome: Outcome) {
        if outcome == Outcome::Stopped {
            delivery.claim.remember_stop(delivery.decision.as_ref());
        }
        if self.need_not_tell(&delivery, outcome) {
            let finished = Finished::from(delivery).because(TOLD_BEFORE);
            return self.settlements.delete(finished, Outcome::Duplicate);
        }
        // If the notifiers have been aborted, the delivery is dropped and handed back.
        drop(self.notices.send(vec![(delivery.turn_over(), outcome)]));
    }

    /// Whether the instance goes on running, and its owner was told the same of this launch before.
    fn need_not_tell(&self, delivery: &Delivery, outcome: Outcome) -> bool {
        let goes_on =
            matches!(outcome, Outcome::Warned | Outcome::Refused(_) | Outcome::Expiring(_));
        if !goes_on || delivery.failure.is_some() {
            return false;
        }
        let (key, launched) = (&delivery.event.key, delivery.launched());
        let sense = delivery.sense(outcome);
        match delivery.origin.nomination().map(|nomination| nomination.tells) {
            Some(Tells::Again) => false,
            Some(Tells::Nothing) => {
                self.launches.remember(key, launched, &sense);
                true
            }
            Some(Tells::News | Tells::Expiry { .. }) | None => {
                self.launches.know(key, launched, &sense)
            }
        }
    }

    /// Ends the delivery of an instance that is not to be stopped: deletes its message, or has its
    /// owner warned. An owner who was told of a stop is told instead that it will not take place.
    pub(crate) fn left_running(&self, delivery: Delivery, outcome: Outcome) {
        match (outcome.calls_off(), self.plans.call_off(&delivery.event.key)) {
            (Some(why), CallOff::Tell(calling_off)) => {
                let delivery = delivery.promising(Promise::CallingOff(calling_off));
                self.announce(delivery, Outcome::CalledOff(why));
            }
            (Some(_), CallOff::Wait) => {
                self.settlements.retry(delivery, PLAN_BEING_TOLD, delays::PLAN_BEING_TOLD);
            }
            _ => match delivery.expires() {
                Some(end) => self.announce(delivery, Outcome::Expiring(end)),
                None if outcome == Outcome::Warned => self.announce(delivery, outcome),
                None => self.delete(delivery, outcome),
            },
        }
    }

    /// Deletes the message of an instance of which nobody is told. What a dry run shows is remembered
    /// as if it had been told, so that sweeps do not show it again and again.
    fn delete(&self, delivery: Delivery, outcome: Outcome) {
        if let Outcome::WouldStop(_) = outcome {
            let (launched, sense) = (delivery.launched(), delivery.sense(outcome));
            self.launches.remember(&delivery.event.key, launched, &sense);
        }
        self.settlements.delete(delivery, outcome);
    }

    /// Retries deliveries for which EC2 keeps failing. At the last receive of a message its owner
    /// is told, since nobody would hear of the instance otherwise, and the message is left to the
    /// queue's redrive policy. `reason` is the word for the log.
    pub(crate) fn ec2_keeps_failing(
        &self,
        deliveries: Vec<Delivery>,
        reason: &'static str,
        error: &AwsError,
    ) {
        // Where nothing is enforced, there is no stop to tell of that failed.
        let policies = self.context.policies();
        let tells = policies.rules().any(|rule| rule.mode == Mode::Enforce);
        for delivery in deliveries {
            // Of a member account nobody knows whether the instance violates: operators are told.
            let tells = tells && delivery.event.key.account == self.own_account;
            // A receive beyond the last one is not announced again: the redrive policy may have
            // changed, so that many are to come.
            let tells_weekly = delivery.origin.nomination().map(|nomination| nomination.tells);
            let is_last = self.max_receives == Some(delivery.receives())
                || tells_weekly == Some(Tells::Again);
            if tells && is_last {
                self.announce(
                    delivery.failed_with(&error.code),
                    Outcome::Refused(Refusal::Failing),
                );
            } else {
                self.settlements.give_up(delivery, GaveUp::Retry, reason);
            }
        }
    }

    /// Tells operators which accounts and regions cannot be looked at: of all of them in one notice,
    /// once an hour.
    pub(crate) fn tell_of_unreachable(&self) {
        let mut pauses = self.context.breakers.target_pauses();
        let more = pauses.len().saturating_sub(SHOWN_PAUSES);
        pauses.truncate(SHOWN_PAUSES);
        if more > 0 {
            pauses.push(format!("and {more} more"));
        }
        let text = format!(
            "These calls fail, so that instances are neither judged nor stopped:\n\n{}\n\nTheir \
             messages wait in the queue, and no owner is told. `ec2-policy-enforcer check --account \
             ID` says what an account lacks.",
            pauses.join("\n")
        );
        let key = "targets".to_owned();
        self.operators.tell(OperatorNotice { matter: Matter::Unreachable, key, text });
    }

    /// Hides deliveries for long, since their target has its share of what is held or cannot be
    /// called.
    pub(crate) fn put_off(&self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let delay = self.context.jitter.long_delay(delivery.receives());
            self.settlements.wait(delivery, TARGET_HELD_UP, Instant::now() + delay);
        }
    }

    /// Retries or hands back deliveries for which a call kept failing; `reason` is the word for the
    /// log.
    pub(crate) fn give_up(&self, deliveries: Vec<Delivery>, why: GaveUp, reason: &'static str) {
        for delivery in deliveries {
            self.settlements.give_up(delivery, why, reason);
        }
    }
}
