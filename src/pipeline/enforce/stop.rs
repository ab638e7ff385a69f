//! One StopInstances call: try, and on a refusal split and blame.

use tracing::warn;

use crate::aws::error::{AwsError, Class};
use crate::domain::outcome::{Outcome, Refusal};
use crate::pipeline::delivery::Delivery;
use crate::pipeline::enforce::Enforcer;
use crate::pipeline::enforce::batch::{History, StopBatch, unseen};
use crate::retry::attempts::Attempts;
use crate::retry::breaker::Ended;

impl Enforcer {
    /// Waits for the turn of a group's next attempt: for the back-offs and the pauses, and then for
    /// the pace. Kept through a pause, leaves for stops would all be used at once after it, so who
    /// probes whether EC2 can be looked at again has none.
    ///
    /// # Errors
    /// When a series is over.
    pub async fn turn(
        &self,
        group: &mut StopBatch,
        stops: &mut Attempts<'_>,
        looks: &mut Attempts<'_>,
    ) -> Result<(), Ended> {
        stops.turn().await?;
        if !group.is_fresh() {
            looks.turn().await?;
        }
        if group.permit.is_none() && !looks.is_held_up() {
            group.permit = Some(self.rate_limits.stop(group.ids().len()).await?);
        }
        Ok(())
    }

    /// Stops a group that was just seen running and untagged; what is left to do comes back.
    pub async fn stop(&self, mut group: StopBatch, attempts: &mut Attempts<'_>) -> Vec<StopBatch> {
        let Some(until) = group.fresh_until() else { return vec![group] };
        let answer = self.instances.stop(&group.ids(), until).await;
        self.rate_limits.stopped(group.permit.take(), answer.as_ref().err());
        match answer {
            Ok(stopped) => {
                let named = |delivery: &Delivery| stopped.contains(delivery.instance());
                let (done, rest): (Vec<_>, Vec<_>) = group.deliveries.into_iter().partition(named);
                if done.is_empty() {
                    attempts.failed(&unmentioned());
                } else {
                    attempts.succeeded();
                }
                for delivery in done {
                    self.announce(delivery, Outcome::Stopped);
                }
                unseen(rest, group.history)
            }
            Err(failure) => {
                let instances = group.ids().len();
                warn!(error = %failure, instances, "cannot stop instances");
                self.failed(group, &failure, attempts)
            }
        }
    }

    fn failed(
        &self,
        group: StopBatch,
        failure: &AwsError,
        attempts: &mut Attempts<'_>,
    ) -> Vec<StopBatch> {
        match failure.class {
            Class::Throttled => vec![group],
            Class::Credentials | Class::Gone => {
                attempts.failed(failure);
                vec![group]
            }
            Class::Transient | Class::Unknown => {
                if attempts.must_halve(failure, group.ids().len()) {
                    return group.halves().into();
                }
                // It may have taken effect: only a look can tell.
                let unknown = failure.class == Class::Unknown;
                if unknown { unseen(group.deliveries, group.history) } else { vec![group] }
            }
            Class::Denied => {
                attempts.answered();
                self.denied(group)
            }
            Class::Invalid => self.misunderstood(group, failure, attempts),
            _ => {
                attempts.answered();
                self.refused(group, failure)
            }
        }
    }

    /// A code that nobody knows: it may speak of one instance, or of everything.
    fn misunderstood(
        &self,
        group: StopBatch,
        failure: &AwsError,
        attempts: &mut Attempts<'_>,
    ) -> Vec<StopBatch> {
        attempts.failed(failure);
        if group.ids().len() == 1 { vec![group] } else { self.refused(group, failure) }
    }

    /// EC2 refuses a whole call for one bad instance: what the message names goes alone, and
    /// without a name the group is halved until the bad one stands alone.
    fn refused(&self, group: StopBatch, failure: &AwsError) -> Vec<StopBatch> {
        if group.ids().len() == 1 {
            return self.blame(group, failure.class);
        }
        let named = |delivery: &Delivery| failure.message.contains(delivery.instance().as_str());
        let count = group.deliveries.iter().filter(|delivery| named(delivery)).count();
        if count == 0 || count == group.deliveries.len() {
            return group.halves().into();
        }
        let StopBatch { deliveries, looked_at, spot, history, .. } = group;
        let (named, rest): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(named);
        [named, rest]
            .map(|deliveries| StopBatch { deliveries, looked_at, permit: None, spot, history })
            .into()
    }

    /// One instance stands alone, so the code speaks of it.
    fn blame(&self, group: StopBatch, class: Class) -> Vec<StopBatch> {
        let refusal = match class {
            Class::StopProtected => Some(Refusal::StopProtection),
            Class::Unsupported if group.spot => Some(Refusal::OneTimeSpot),
            Class::Unsupported => Some(Refusal::Unsupported),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return self.refuse(group, refusal);
        }
        match class {
            Class::NotFound => {
                group.deliveries.into_iter().for_each(|delivery| self.absent(delivery));
                Vec::new()
            }
            Class::IncorrectState if !group.history.wrong_state => {
                let history = History { wrong_state: true, ..group.history };
                unseen(group.deliveries, history)
            }
            _ => {
                self.end(group.deliveries, Ended::Return, "EC2 refuses the stop");
                Vec::new()
            }
        }
    }

    /// The role may not stop this group: look again, since a tag may have come in between; then
    /// one instance alone decides. It is refused where the role is known to work, or after the
    /// time that a role has for being repaired; until then it waits aside.
    fn denied(&self, group: StopBatch) -> Vec<StopBatch> {
        let alone = group.ids().len() == 1;
        let looked_again = group.history.denied;
        let group = StopBatch { history: History { denied: true, ..group.history }, ..group };
        match (self.is_proven() || self.is_overdue(&group.history), alone) {
            (true, true) if looked_again => self.refuse(group, Refusal::AccessDenied),
            (true, true) => unseen(group.deliveries, group.history),
            (true, false) => group.halves().into(),
            (false, _) => {
                self.set_aside(group);
                Vec::new()
            }
        }
    }

    /// Whether a group that is tried for the first time waits for those who know more.
    pub fn waits_aside(&self, group: &StopBatch) -> bool {
        group.history.denied_since.is_none() && self.denied_stops.are_pending() && !self.is_proven()
    }

    /// Whether a group that waited waits on, since another one was denied again.
    pub fn waits_on(&self, group: &StopBatch) -> bool {
        group.history.denied_since.is_some()
            && self.denied_stops.were_denied_again()
            && !self.is_overdue(&group.history)
            && !self.is_proven()
    }

    /// Lets a group wait for its turn among the denied.
    pub fn set_aside(&self, group: StopBatch) {
        let left = self.denied_stops.admit(group.deliveries, group.history);
        self.hand_back(left);
    }

    fn refuse(&self, group: StopBatch, refusal: Refusal) -> Vec<StopBatch> {
        for delivery in group.deliveries {
            self.announce(delivery, Outcome::Refused(refusal));
        }
        Vec::new()
    }
}

fn unmentioned() -> AwsError {
    AwsError {
        class: Class::Transient,
        code: "Unanswered".into(),
        message: "the answer mentions none of the instances".into(),
    }
}
