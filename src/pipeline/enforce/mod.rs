//! Takes violators from the stop line, has them looked at again and stopped.

pub mod batch;
pub mod recheck;
pub mod stop;
pub mod denied;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::aws::ec2::Instances;
use crate::aws::operation::Operation;
use crate::domain::ids::{InstanceId, Region};
use crate::domain::outcome::Outcome;
use crate::domain::policy::Policy;
use crate::pipeline::catch_panic::PanicGuard;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::enforce::batch::{History, StopBatch, unseen};
use crate::pipeline::enforce::denied::DeniedStops;
use crate::pipeline::settle::Settlements;
use crate::rate_limit::RateLimits;
use crate::retry::attempts::Attempts;
use crate::retry::breaker::{Breakers, Ended};
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::worklist::Worklist;

/// Everything that the enforcers of a region share.
#[derive(Debug)]
pub struct Enforcer {
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
    pub rate_limits: Arc<RateLimits>,
    /// What is known of AWS.
    pub breakers: Arc<Breakers>,
    /// Where those wait whose stop is denied.
    pub denied_stops: Arc<DeniedStops>,
    /// The way out without a notice.
    pub settlements: Arc<Settlements>,
    /// What keeps a panic to its batch.
    pub panic_guard: Arc<PanicGuard>,
    /// The way out with one.
    pub announcements: UnboundedSender<(Delivery, Outcome)>,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
}

/// What else could be tried while all that a task holds is held up.
pub type More<'task> = dyn Fn() -> Vec<StopBatch> + Sync + 'task;

impl Enforcer {
    /// Stops until the line is closed and empty.
    pub async fn run(self: Arc<Self>, line: BatchReceiver<Delivery>) {
        loop {
            let batch = line.take(self.rate_limits.most(self.batch)).await;
            if batch.is_empty() {
                return;
            }
            let more =
                || unseen(line.take_waiting(self.rate_limits.most(self.batch)), History::default());
            self.contained("enforcer", unseen(batch, History::default()), &more).await;
        }
    }

    /// Works on groups to their end, and on `more` while these are held up; a panic drops what is
    /// left, which returns it.
    pub async fn contained(&self, task: &'static str, groups: Vec<StopBatch>, more: &More<'_>) {
        let messages = groups.iter().map(|group| group.deliveries.len()).sum();
        self.panic_guard.run(task, messages, Box::pin(self.work(groups, more))).await;
    }

    async fn work(&self, groups: Vec<StopBatch>, more: &More<'_>) {
        let mut worklist = Worklist::of(groups);
        let mut stops = self.breakers.step(self.operation());
        let mut looks = self.breakers.step(Operation::DescribeInstances(self.region.clone()));
        while let Some(mut group) = worklist.take_next() {
            if self.waits_on(&group) {
                self.set_aside(group);
                continue;
            }
            if let Err(ended) = self.turn(&mut group, &mut stops, &mut looks).await {
                self.end(group.deliveries, ended, "cannot stop the instance");
                continue;
            }
            let left = self.once(group, &mut stops, &mut looks).await;
            if !left.is_empty() {
                stops.give_way();
            }
            let mut left = self.spare_others(left, [&mut stops, &mut looks]);
            match left.pop() {
                Some(one) if left.is_empty() => worklist.take_back(one),
                last => worklist.take_parts(left.into_iter().chain(last)),
            }
            if stops.is_held_up() || looks.is_held_up() {
                worklist.welcome(more());
            }
            looks.step_back();
        }
    }

    /// Ends a group whose attempts are over, and nobody else: what was split goes on by itself.
    fn spare_others(
        &self,
        mut left: Vec<StopBatch>,
        series: [&mut Attempts<'_>; 2],
    ) -> Vec<StopBatch> {
        let [stops, looks] = series.map(Attempts::are_over);
        if (stops || looks) && left.len() == 1 {
            let deliveries = left.drain(..).flat_map(|group| group.deliveries).collect();
            self.end(deliveries, Ended::Return, "EC2 keeps failing for the instance");
        }
        left
    }

    /// Looks at a group and stops it, right after: with a wait in between, such as that of a
    /// probe, no look would ever be recent enough. What is left to do comes back.
    async fn once(
        &self,
        group: StopBatch,
        stops: &mut Attempts<'_>,
        looks: &mut Attempts<'_>,
    ) -> Vec<StopBatch> {
        let mut seen = if group.is_fresh() { vec![group] } else { self.look(group, looks).await };
        let Some(next) = seen.pop() else { return seen };
        if !next.is_fresh() || next.permit.is_none() {
            seen.push(next);
        } else if self.waits_aside(&next) {
            self.set_aside(next);
        } else {
            seen.extend(self.stop(next, stops).await);
        }
        seen
    }

    /// Sends an outcome to be announced; a stop is remembered first.
    pub fn announce(&self, delivery: Delivery, outcome: Outcome) {
        if outcome == Outcome::Stopped {
            delivery.claim.stopped();
        }
        // Closed only after the enforcers have ended.
        drop(self.announcements.send((delivery, outcome)));
    }

    /// Whether the role is known to work: it stopped something not long ago.
    pub fn is_proven(&self) -> bool {
        self.breakers.succeeded_within(&self.operation(), self.denial_timeout)
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
            self.settlements.end(delivery, ended, why);
        }
    }
}
