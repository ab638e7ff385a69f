//! Keeps to the budget of stops: lets those begin for which there is room, and hides the messages of
//! the others while stops are held.

use std::time::Duration;

use tokio::time::Instant;
use tracing::error;

use super::Enforcer;
use super::batch::{Kind, StopBatch};
use crate::domain::outcome::{Outcome, Refusal};
use crate::domain::policy::facts::Facts;
use crate::domain::policy::verdict::NotYet;
use crate::pipeline::budget::Places;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::operators::{Matter, OperatorNotice};
use crate::rate_limit::stop_window::Launch;
use crate::retry::attempts::GaveUp;
use crate::retry::delays;

/// A violator on hold is told of and deleted at so many receives before its message would go to the
/// dead-letter queue: an outage may cost some.
const RECEIVES_LEFT: u32 = 3;

impl Enforcer {
    /// Whether no stop of a batch may begin, so that its instances are only looked at; or else how
    /// many instances the next call may stop, without a limit `usize::MAX`. Waits while calls that
    /// are in flight take the rest of the budget.
    ///
    /// # Errors
    /// When the drain begins first.
    pub(super) async fn budget_for(&self, batch: &StopBatch) -> Result<usize, GaveUp> {
        let budget = &self.target.budget;
        if batch.deliveries.iter().any(|delivery| budget.counts(&launch(delivery))) {
            return Ok(usize::MAX);
        }
        // The drain ends a wait for places, but takes none that are there.
        let room = tokio::select! {
            biased;
            room = budget.room() => room,
            () = self.context.drain.cancelled() => return Err(GaveUp::HandBack),
        };
        Ok(room.unwrap_or(usize::MAX))
    }

    /// Whether a batch has to wait for places in the budget which calls that are not decided have.
    pub(super) fn needs_places(&self, batch: &StopBatch) -> bool {
        let budget = &self.target.budget;
        let has_one = |delivery: &Delivery| budget.counts(&launch(delivery));
        budget.is_full_for_now() && !batch.deliveries.iter().any(has_one)
    }

    /// Hides the messages of instances that are to be stopped and may not. Returns the batches that
    /// are left.
    pub(super) async fn hold_back(&self, batches: Vec<StopBatch>) -> Vec<StopBatch> {
        let mut left = Vec::new();
        for batch in batches {
            if !batch.is_fresh() {
                left.push(batch);
                continue;
            }
            let is_open = |delivery: &Delivery| self.target.budget.is_open_to(&launch(delivery));
            let [open, closed] = batch.partition(is_open);
            left.extend(open.unless_empty());
            if !closed.deliveries.is_empty() {
                self.hold(closed).await;
            }
        }
        left
    }

    /// Takes a place in the budget for each instance that is about to be stopped. Returns these with
    /// their places, and the others.
    pub(super) fn within_budget(&self, batch: StopBatch) -> (StopBatch, Places, StopBatch) {
        let places = self.target.budget.take(batch.deliveries.iter().map(launch));
        let may_begin = |delivery: &Delivery| {
            !self.target.budget.is_limited() || places.have(&launch(delivery))
        };
        let [begins, rest] = batch.partition(may_begin);
        (begins, places, rest)
    }

    /// Hides the messages of a batch that is to be stopped, until stops go on. If they are not held
    /// yet, they are from now on, since the budget is used up.
    ///
    /// Instances that were seen stopped are most likely stopped, so that they are not why more stops
    /// than the budget allows would begin. They are looked at again a minute later: by then EC2
    /// knows.
    async fn hold(&self, batch: StopBatch) {
        if batch.kind == Kind::SeenStopped {
            for delivery in batch.deliveries {
                self.retry(delivery, NotYet::MayRun);
            }
            return;
        }
        self.trip().await;
        for delivery in batch.deliveries {
            match self.hidden_until(&delivery) {
                Some(until) => self.exits.settlements.hold(delivery, until),
                None => self.exits.announce(delivery, Outcome::Refused(Refusal::Budget)),
            }
        }
    }

    /// Until when a message is hidden at most: SQS's limit, or the time at which its owner is to be
    /// told that the instance runs. `None` if that is now.
    fn hidden_until(&self, delivery: &Delivery) -> Option<Instant> {
        if delivery.origin.nomination().is_some() {
            // There is no message to hide: the next sweep finds the instance.
            return Some(Instant::now());
        }
        let is_last = |most: u32| delivery.receives().saturating_add(RECEIVES_LEFT) >= most;
        if self.exits.max_receives.is_some_and(is_last) {
            return None;
        }
        let kept = self.exits.retention.saturating_sub(delays::HOLD_RESERVE);
        let left = kept.saturating_sub(delivery.arrival().age());
        let until = Instant::now() + left;
        let longest = delivery.arrival().at + delays::LONGEST_HIDING;
        (left > Duration::ZERO).then(|| until.min(longest))
    }

    /// Holds all stops of the target because its budget is used up, unless they are held.
    async fn trip(&self) {
        let budget = &self.target.budget;
        let Some(hold) = self.exits.hold_tags.trip(budget, self.planner.now()).await else {
            return;
        };
        let (key, limit) = (&self.target.key, budget.limit());
        error!(
            account = %key.account,
            region = %key.region,
            %hold,
            "the budget is used up; stops are held until `ec2-policy-enforcer resume`"
        );
        let (account, region) = (&key.account, &key.region);
        let text = format!(
            "More instances than {limit} were to be stopped in account {account}, region {region}, so \
             all stops there are held; nothing is lost. Find out why so many instances violate the \
             policy. Then let stops go on:\n\n  ec2-policy-enforcer resume --account {account} --region {region}\n\nThe hold \
             is the tag {hold} of the queue. Owners are told a day before their messages would expire."
        );
        let notice = OperatorNotice { matter: Matter::Budget, key: hold.to_string(), text };
        self.exits.operators.tell(notice);
    }
}

/// The launch that a delivery is about, as far as the last look shows it.
pub(super) fn launch(delivery: &Delivery) -> Launch {
    let facts = delivery.second_look.as_ref().map(|look| &look.facts);
    let launched = facts.and_then(|facts| Facts::launched(facts));
    Launch { instance: delivery.instance().clone(), launched }
}
