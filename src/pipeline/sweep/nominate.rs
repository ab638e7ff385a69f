//! Has what a sweep found worked on, one instance at a time and behind the events of its account and
//! region.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use super::begun::Sweep;
use super::findings::Candidate;
use crate::aws::operation::Operation;
use crate::domain::event::Event;
use crate::domain::ids::InstanceId;
use crate::domain::trigger::Trigger;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::inbox::{Place, Waiting};
use crate::pipeline::nomination::Nomination;
use crate::pipeline::origin::Origin;
use crate::retry::attempts::GaveUp;
use crate::retry::delays;
use crate::runtime::liveness;

/// The describing calls that each instance costs: both looks.
const LOOKS: usize = 2;

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
    /// since stops are held up more often than notices. Says whether all others were worked on: those
    /// that are to be stopped are found again, but a time at which owners are told comes once.
    pub(super) async fn nominate(&self, candidates: BTreeMap<InstanceId, Candidate>) -> bool {
        if !candidates.is_empty() && self.settled().await.is_err() {
            return false;
        }
        let (turns, mut left) = (Arc::new(Semaphore::new(1)), candidates.len());
        let (stops, others): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|(_, candidate)| candidate.is_to_be_stopped);
        for (instance, candidate) in others.into_iter().chain(stops) {
            match self.turn(&turns, candidate).await {
                Ok((turn, place)) => self.send(instance, candidate, (turn, place)),
                Err(EndsEarly::Drain) => return false,
                Err(EndsEarly::HeldUp(reason)) => {
                    let key = &self.target().key;
                    let (account, region) = (&key.account, &key.region);
                    info!(%account, %region, reason, left, "a sweep ends early; the next one finds what is left");
                    return candidate.is_to_be_stopped;
                }
            }
            left -= 1;
        }
        true
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
    ) -> Result<(OwnedSemaphorePermit, Place), EndsEarly> {
        let turn = loop {
            self.goes_on(next)?;
            liveness::idle();
            let free = Arc::clone(turns).acquire_owned();
            if let Ok(Ok(turn)) = timeout(delays::SWEEP_LOOKS_UP, free).await {
                break turn;
            }
        };
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
        Ok((turn, Place::new(place, false)))
    }

    /// Checks that the next instance can be worked on.
    fn goes_on(&self, next: Candidate) -> Result<(), EndsEarly> {
        let (context, target) = (self.context(), self.target());
        let is_paused = |call: &Operation| context.breakers.is_paused(call);
        if context.drain.is_cancelled() {
            Err(EndsEarly::Drain)
        } else if target.operations().iter().any(is_paused) {
            Err(EndsEarly::HeldUp("calls_paused"))
        } else if is_paused(&Operation::Publish) {
            Err(EndsEarly::HeldUp("notices_paused"))
        } else if next.is_to_be_stopped && target.denied_stops.count() > 0 {
            Err(EndsEarly::HeldUp("stops_denied"))
        } else if next.is_to_be_stopped && target.budget.is_held() {
            Err(EndsEarly::HeldUp("stops_held"))
        } else {
            Ok(())
        }
    }

    /// Sends an instance to the evaluators, unless an event of it is being worked on.
    fn send(
        &self,
        instance: InstanceId,
        candidate: Candidate,
        (turn, place): (OwnedSemaphorePermit, Place),
    ) {
        let Candidate { launched, tells, .. } = candidate;
        let key = self.key(instance);
        let Some(claim) = self.memory.dedup.claim_found(&key, launched) else { return };
        let event = Event { key, time: Some(launched.into()), trigger: Trigger::Sweep };
        let origin = Origin::Sweep(Nomination::new(launched, tells));
        let delivery = Delivery::new(event, origin, claim).in_turn(turn);
        self.evaluator.accept(Waiting { delivery, place });
    }
}
