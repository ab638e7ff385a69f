//! One StopInstances call: try, and on a refusal split and blame.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::alive;
use crate::aws::error::{Class, Failure};
use crate::delivery::Delivery;
use crate::outcome::{Outcome, Refusal};
use crate::pause::{Attempts, Ended, Operation};
use crate::stopper::{Group, History, Stopper};

/// The first wait of a denied stop; it doubles up to [`LONGEST_DENIAL_WAIT`].
const FIRST_DENIAL_WAIT: Duration = Duration::from_secs(1);
const LONGEST_DENIAL_WAIT: Duration = Duration::from_secs(10);

impl Stopper {
    /// Waits for the turn of the next attempt: for the back-off, a pause, and the pace.
    ///
    /// # Errors
    /// When the series is over.
    pub async fn turn(&self, attempts: &mut Attempts<'_>) -> Result<(), Ended> {
        attempts.turn().await?;
        let next = self.pace.next();
        if next <= Instant::now() {
            return Ok(());
        }
        alive::within(next.saturating_duration_since(Instant::now()));
        let wait = tokio::time::sleep_until(next);
        self.drain.run_until_cancelled(wait).await.ok_or(Ended::HandBack)
    }

    /// Stops a group that was just seen running and untagged; what is left to do comes back.
    pub async fn stop(&self, group: Group, attempts: &mut Attempts<'_>) -> Vec<Group> {
        match self.instances.stop(&group.ids()).await {
            Ok(stopped) => {
                attempts.succeeded();
                self.pace.free();
                let named = |delivery: &Delivery| stopped.contains(delivery.instance());
                let (done, rest): (Vec<_>, Vec<_>) = group.deliveries.into_iter().partition(named);
                for delivery in done {
                    self.announce(delivery, Outcome::Stopped);
                }
                unseen(rest, group.history)
            }
            Err(failure) => {
                let instances = group.ids().len();
                warn!(error = %failure, instances, "cannot stop instances");
                self.failed(group, &failure, attempts).await
            }
        }
    }

    async fn failed(
        &self,
        group: Group,
        failure: &Failure,
        attempts: &mut Attempts<'_>,
    ) -> Vec<Group> {
        if failure.class == Class::Throttled {
            self.pace.throttled();
            return vec![group];
        }
        self.pace.free();
        match failure.class {
            Class::Unknown => {
                // It may have taken effect: only a look can tell.
                attempts.failed(failure);
                unseen(group.deliveries, group.history)
            }
            Class::Throttled | Class::Transient | Class::Credentials | Class::Gone => {
                attempts.failed(failure);
                vec![group]
            }
            Class::Denied => {
                attempts.answered();
                self.denied(group).await
            }
            _ => {
                attempts.answered();
                self.refused(group, failure)
            }
        }
    }

    /// EC2 refuses a whole call for one bad instance: what the message names goes alone, and
    /// without a name the group is halved until the bad one stands alone.
    fn refused(&self, group: Group, failure: &Failure) -> Vec<Group> {
        if group.ids().len() == 1 {
            return self.blame(group, failure.class);
        }
        let named = |delivery: &Delivery| failure.message.contains(delivery.instance().as_str());
        let count = group.deliveries.iter().filter(|delivery| named(delivery)).count();
        if count == 0 || count == group.deliveries.len() {
            return group.halves().into();
        }
        let Group { deliveries, looked_at, spot, history } = group;
        let (named, rest): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(named);
        [named, rest].map(|deliveries| Group { deliveries, looked_at, spot, history }).into()
    }

    /// One instance stands alone, so the code speaks of it.
    fn blame(&self, group: Group, class: Class) -> Vec<Group> {
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
    /// one instance alone decides. What stands alone is refused at once where the role is known to
    /// work, and otherwise tried until the time is up.
    async fn denied(&self, group: Group) -> Vec<Group> {
        let since = group.history.denied_since.unwrap_or_else(Instant::now);
        let denials = group.history.denials + 1;
        let history = History { denied_since: Some(since), denials, ..group.history };
        let operation = Operation::StopInstances(self.region.clone());
        let proven = self.gate.succeeded_within(&operation, self.denial_timeout);
        let overdue = since.elapsed() >= self.denial_timeout;
        let alone = group.ids().len() == 1;
        if denials > 1 && (overdue || (proven && alone)) {
            return self.refuse(group, Refusal::AccessDenied);
        }
        if !alone {
            let group = Group { history, ..group };
            return if proven { group.halves().into() } else { first_apart(group) };
        }
        if denials > 1 {
            let wait =
                (FIRST_DENIAL_WAIT * 2_u32.pow((denials - 2).min(8))).min(LONGEST_DENIAL_WAIT);
            warn!(
                denied_secs = since.elapsed().as_secs(),
                refused_after_secs = self.denial_timeout.as_secs(),
                "the role may not stop instances; grant ec2:StopInstances"
            );
            alive::within(wait);
            if self.drain.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                self.end(group.deliveries, Ended::HandBack, "the role may not stop the instance");
                return Vec::new();
            }
        }
        unseen(group.deliveries, history)
    }

    fn refuse(&self, group: Group, refusal: Refusal) -> Vec<Group> {
        for delivery in group.deliveries {
            self.announce(delivery, Outcome::Refused(refusal));
        }
        Vec::new()
    }
}

fn unseen(deliveries: Vec<Delivery>, history: History) -> Vec<Group> {
    if deliveries.is_empty() {
        return Vec::new();
    }
    vec![Group::unseen(deliveries, history)]
}

/// One instance to be tried next, and the rest to be tried after it.
fn first_apart(group: Group) -> Vec<Group> {
    let history = group.history;
    let first = group.ids().first().cloned();
    let is_first = |delivery: &Delivery| Some(delivery.instance()) == first.as_ref();
    let (one, rest): (Vec<_>, Vec<_>) = group.deliveries.into_iter().partition(is_first);
    vec![Group::unseen(rest, history), Group::unseen(one, history)]
}
