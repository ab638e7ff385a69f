//! Takes violators from the stop line, looks again and has them stopped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::alive;
use crate::aws::ec2::{Instances, Look, Seen, State};
use crate::contain::Containment;
use crate::delivery::Delivery;
use crate::denial::Denials;
use crate::desk::Desk;
use crate::event::{InstanceId, Region};
use crate::line::Line;
use crate::outcome::{Outcome, Refusal};
use crate::pace::Pace;
use crate::pause::{Attempts, Ended, Gate, Operation};
use crate::policy::{Decision, Policy};
use crate::retry::short_return;

/// A stop may start so long after the answer to its look.
pub const FRESHNESS: Duration = Duration::from_secs(5);
/// EC2 usually knows an instance within a minute of its event.
pub const ABSENT_DELAY: Duration = Duration::from_mins(1);

/// Everything that the stoppers of a region share.
#[derive(Debug)]
pub struct Stopper {
    /// Which region.
    pub region: Region,
    /// Its instances.
    pub instances: Instances,
    /// What an instance must carry.
    pub policy: Policy,
    /// The instance that the daemon runs on, which it must not stop.
    pub own_host: Option<InstanceId>,
    /// Instances in one StopInstances at most.
    pub batch: usize,
    /// How long a denied stop is tried again, and how long a success proves the role sound.
    pub denial_timeout: Duration,
    /// When the next StopInstances may start.
    pub pace: Pace,
    /// What is known of AWS.
    pub gate: Arc<Gate>,
    /// Where those wait whose stop is denied.
    pub denials: Arc<Denials>,
    /// The way out without a notice.
    pub desk: Arc<Desk>,
    /// What keeps a panic to its batch.
    pub containment: Arc<Containment>,
    /// The way out with one.
    pub announcements: UnboundedSender<(Delivery, Outcome)>,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
}

/// Violators that share a StopInstances call.
#[derive(Debug)]
pub struct Group {
    /// Who they are.
    pub deliveries: Vec<Delivery>,
    /// When they were last seen running and untagged; `None` before the look.
    pub looked_at: Option<Instant>,
    /// Spot instances, which fail for reasons of their own, have calls of their own.
    pub spot: bool,
    /// What earlier attempts came to.
    pub history: History,
}

/// What earlier attempts to stop a group came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct History {
    /// Since when it has waited aside, because the role was denied a stop.
    pub denied_since: Option<Instant>,
    /// Whether the role was denied the stop of this very group, or of one that it was part of.
    pub denied: bool,
    /// Whether EC2 said already that the state does not allow a stop.
    pub wrong_state: bool,
}

impl Group {
    /// A group that must be looked at.
    pub fn unseen(deliveries: Vec<Delivery>, history: History) -> Self {
        Self { deliveries, looked_at: None, spot: false, history }
    }

    /// The distinct instances of the group.
    pub fn ids(&self) -> BTreeSet<InstanceId> {
        self.deliveries.iter().map(|delivery| delivery.instance().clone()).collect()
    }

    /// Whether the look is recent enough to stop upon.
    pub fn is_fresh(&self) -> bool {
        self.looked_at.is_some_and(|at| at.elapsed() <= FRESHNESS)
    }

    /// The group in two halves, no instance in both.
    pub fn halves(self) -> [Self; 2] {
        let ids = self.ids();
        let middle = ids.iter().nth(ids.len() / 2);
        let lower = |delivery: &Delivery| Some(delivery.instance()) < middle;
        let (low, high): (Vec<_>, Vec<_>) = self.deliveries.into_iter().partition(lower);
        [low, high].map(|deliveries| Self { deliveries, ..Self::unseen(Vec::new(), self.history) })
    }
}

impl Stopper {
    /// Stops until the line is closed and empty.
    pub async fn run(self: Arc<Self>, line: Line<Delivery>) {
        loop {
            // While EC2 throttles, the next batch grows in the line.
            alive::idle();
            let wait = tokio::time::sleep_until(self.pace.next());
            self.drain.run_until_cancelled(wait).await;
            let batch = line.take(self.batch).await;
            if batch.is_empty() {
                return;
            }
            self.contained("stopper", vec![Group::unseen(batch, History::default())]).await;
        }
    }

    /// Works on groups to their end; a panic drops what is left, which returns it.
    pub async fn contained(&self, task: &'static str, groups: Vec<Group>) {
        self.containment.run(task, Box::pin(self.work(groups))).await;
    }

    async fn work(&self, mut groups: Vec<Group>) {
        let mut stops = self.gate.step(self.operation());
        let mut looks = self.gate.step(Operation::DescribeInstances(self.region.clone()));
        while let Some(group) = groups.pop() {
            if let Err(ended) = self.turn(&mut stops).await {
                self.end(group.deliveries, ended, "cannot stop the instance");
                continue;
            }
            let mut seen =
                if group.is_fresh() { vec![group] } else { self.look(group, &mut looks).await };
            // One turn, one stop, right after its look: with a wait in between, such as that of a
            // probe, no look would ever be recent enough.
            let Some(next) = seen.pop() else { continue };
            groups.extend(seen);
            if !next.is_fresh() {
                groups.push(next);
            } else if self.waits_aside(&next) {
                self.set_aside(next);
            } else {
                groups.extend(self.stop(next, &mut stops).await);
            }
        }
    }

    /// Looks again, settles what need not be stopped, and groups the rest.
    async fn look(&self, group: Group, attempts: &mut Attempts<'_>) -> Vec<Group> {
        let ids = group.ids();
        loop {
            if let Err(ended) = attempts.turn().await {
                self.end(group.deliveries, ended, "cannot look at the instance");
                return Vec::new();
            }
            match self.instances.look(&ids).await {
                Ok(look) if look.at.elapsed() > FRESHNESS && ids.len() > 1 => {
                    attempts.succeeded();
                    return group.halves().into();
                }
                Ok(look) => {
                    attempts.succeeded();
                    return self.sort_out(group, &look);
                }
                Err(failure) => {
                    warn!(error = %failure, instances = ids.len(), "cannot look at instances");
                    if attempts.must_halve(&failure, ids.len()) {
                        return group.halves().into();
                    }
                }
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
        let history = group.history;
        [(on_demand, false), (spot, true)]
            .into_iter()
            .filter(|(deliveries, _)| !deliveries.is_empty())
            .map(|(deliveries, spot)| Group { deliveries, looked_at: Some(look.at), spot, history })
            .collect()
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

    /// Sends an outcome to be announced; a stop is remembered first.
    pub fn announce(&self, delivery: Delivery, outcome: Outcome) {
        if outcome == Outcome::Stopped {
            delivery.claim.stopped();
        }
        // Closed only after the stoppers have ended.
        drop(self.announcements.send((delivery, outcome)));
    }

    /// Whether the role is known to work: it stopped something not long ago.
    pub fn is_proven(&self) -> bool {
        self.gate.succeeded_within(&self.operation(), self.denial_timeout)
    }

    /// Whether a denied stop has been tried for long enough.
    pub fn is_overdue(&self, history: &History) -> bool {
        history.denied_since.is_some_and(|since| since.elapsed() >= self.denial_timeout)
    }

    /// The operation that this is all about.
    pub fn operation(&self) -> Operation {
        Operation::StopInstances(self.region.clone())
    }

    /// Hands back what the drain leaves undone.
    pub fn hand_back(&self, deliveries: Vec<Delivery>) {
        self.end(deliveries, Ended::HandBack, "");
    }

    /// Ends a series of attempts for all of a group.
    pub fn end(&self, deliveries: Vec<Delivery>, ended: Ended, why: &'static str) {
        for delivery in deliveries {
            self.desk.end(delivery, ended, why);
        }
    }
}
