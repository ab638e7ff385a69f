//! Has what a sweep found worked on, one instance at a time and behind the events of its account and
//! region.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use super::Swept;
use super::begun::Sweep;
use super::findings::Candidate;
use crate::aws::operation::Operation;
use crate::domain::event::Event;
use crate::domain::ids::InstanceId;
use crate::domain::trigger::Trigger;
use crate::inflight::message::Arrival;
use crate::pipeline::delivery::{Delivery, SweepRights};
use crate::pipeline::inbox::{Place, Waiting};
use crate::pipeline::nomination::Nomination;
use crate::pipeline::origin::Origin;
use crate::retry::attempts::GaveUp;
use crate::retry::delays;
use crate::runtime::liveness;

/// The describing calls that each instance costs: both looks.
const LOOKS: usize = 2;

/// How many stops of a target may wait because IAM denied them before its sweep ends: by so many
/// instances it is as good as sure that the role may stop none.
const MOST_DENIED: usize = 100;

/// Why a sweep ends before everything that it found was worked on.
enum EndsEarly {
    /// The daemon drains.
    Drain,
    /// Stops or notices are held up here: what is left is found by the next sweep.
    HeldUp(&'static str),
}

impl From<GaveUp> for EndsEarly {
    fn from(_: GaveUp) -> Self {
        Self::Drain
    }
}

impl Sweep {
    /// Has instances worked on, until all are or that is held up. Those that are to be stopped come last,
    /// since stops are held up more often than notices: they are found again, but a time at which owners
    /// are told comes once.
    pub(super) async fn nominate(&self, candidates: BTreeMap<InstanceId, Candidate>) -> Swept {
        if !candidates.is_empty() && self.settled().await.is_err() {
            return Swept::Read;
        }
        let (turns, mut left) = (Arc::new(Semaphore::new(1)), candidates.len());
        let (mut stops, others): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|(_, candidate)| candidate.is_to_be_stopped);
        // Another one comes first each time: some may not be stopped, ever.
        let first = self.context().jitter.below(stops.len());
        stops.rotate_left(first);
        for (instance, candidate) in others.into_iter().chain(stops) {
            match self.turn(&turns, candidate).await {
                Ok((rights, place)) => self.send(instance, candidate, (rights, place)),
                Err(EndsEarly::Drain) => return Swept::Read,
                Err(EndsEarly::HeldUp(reason)) => {
                    let key = &self.target().key;
                    let (account, region) = (&key.account, &key.region);
                    info!(%account, %region, reason, left, "a sweep ends early; the next one finds what is left");
                    return if candidate.is_to_be_stopped { Swept::All } else { Swept::Read };
                }
            }
            left -= 1;
        }
        Swept::All
    }

    /// Waits until tags that were missing may be there again.
    async fn settled(&self) -> Result<(), EndsEarly> {
        liveness::within(delays::TAGS_SETTLE);
        let settled = self.context().drain.run_until_cancelled(sleep(delays::TAGS_SETTLE)).await;
        settled.ok_or(EndsEarly::Drain)
    }

    /// Waits until the instance before is worked on, no event waits (but not for ever), and the pace
    /// allows two looks.
    async fn turn(
        &self,
        turns: &Arc<Semaphore>,
        next: Candidate,
    ) -> Result<(SweepRights, Place), EndsEarly> {
        let turn = self.permit(turns, next).await?;
        let notice = self.place_for_notice(next).await?;
        let waits_until = Instant::now() + delays::SWEEP_YIELDS;
        while !self.evaluator.is_idle() && Instant::now() < waits_until {
            self.goes_on(next)?;
            liveness::within(delays::SWEEP_LOOKS_UP);
            sleep(delays::SWEEP_LOOKS_UP).await;
        }
        self.target().rate_limits.sweep(LOOKS).await?;
        liveness::idle();
        let room = Arc::clone(&self.memory.room).acquire_owned();
        let place = self.context().drain.run_until_cancelled(room).await;
        let Some(Ok(place)) = place else { return Err(EndsEarly::Drain) };
        self.goes_on(next)?;
        Ok((SweepRights { turn, notice }, Place::new(place, false)))
    }

    /// Waits for a place for its notice, but not for ever: accounts whose calls hang may have all.
    async fn place_for_notice(
        &self,
        next: Candidate,
    ) -> Result<Option<OwnedSemaphorePermit>, EndsEarly> {
        let place = self.permit(&self.memory.notices, next);
        timeout(delays::SWEEP_YIELDS, place).await.ok().transpose()
    }

    /// Waits for a permit as long as the next instance can be worked on.
    async fn permit(
        &self,
        of: &Arc<Semaphore>,
        next: Candidate,
    ) -> Result<OwnedSemaphorePermit, EndsEarly> {
        loop {
            self.goes_on(next)?;
            liveness::idle();
            let free = Arc::clone(of).acquire_owned();
            if let Ok(Ok(permit)) = timeout(delays::SWEEP_LOOKS_UP, free).await {
                return Ok(permit);
            }
        }
    }

    /// Checks that the next instance can be worked on.
    fn goes_on(&self, next: Candidate) -> Result<(), EndsEarly> {
        let (context, target) = (self.context(), self.target());
        let is_paused = |call: &Operation| context.breakers.is_paused(call);
        if context.drain.is_cancelled() {
            Err(EndsEarly::Drain)
        } else if !self.is_in_scope() {
            Err(EndsEarly::HeldUp("region_out_of_scope"))
        } else if target.operations().iter().any(is_paused) {
            Err(EndsEarly::HeldUp("calls_paused"))
        } else if is_paused(&Operation::Publish) {
            Err(EndsEarly::HeldUp("notices_paused"))
        } else if next.is_to_be_stopped && target.denied_stops.count() >= MOST_DENIED {
            Err(EndsEarly::HeldUp("stops_denied"))
        } else if next.is_to_be_stopped && target.budget.is_held() {
            Err(EndsEarly::HeldUp("stops_held"))
        } else {
            Ok(())
        }
    }

    /// Whether the region counts still, after a reload.
    fn is_in_scope(&self) -> bool {
        let regions = &self.context().live.values.borrow().regions;
        regions.is_empty() || regions.contains(&self.target().key.region)
    }

    /// Sends an instance to the evaluators, unless an event of it is being worked on.
    fn send(
        &self,
        instance: InstanceId,
        candidate: Candidate,
        (rights, place): (SweepRights, Place),
    ) {
        let Candidate { launched, tells, is_to_be_stopped } = candidate;
        let key = self.key(instance);
        let Some(claim) = self.memory.dedup.claim_found(&key, launched) else { return };
        let event = Event { key, time: Some(launched.into()), trigger: Trigger::Sweep };
        let origin = Origin::Sweep(Nomination {
            arrival: Arrival::of_nomination(),
            launched,
            tells,
            may_be_stopped: is_to_be_stopped,
        });
        let delivery = Delivery::new(event, origin, claim).in_turn(rights);
        self.evaluator.accept(Waiting { delivery, place });
    }
}
