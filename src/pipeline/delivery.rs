//! One message on its way from receipt to settlement.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::domain::event::StateChange;
use crate::domain::ids::InstanceId;
use crate::inflight::dedup::Claim;
use crate::inflight::lease::Lease;
use crate::runtime::clock::Clock;

/// So long after an event an instance that cannot be found may still turn up (EC2 is eventually
/// consistent).
const CONSISTENCY: Duration = Duration::from_mins(5);

/// A state change, and everything that is needed to settle its message.
#[derive(Debug)]
pub struct Delivery {
    /// What happened.
    pub change: StateChange,
    /// How the message came.
    pub arrival: Arrival,
    /// The right to settle the message.
    pub lease: Lease,
    /// The right to work on the event.
    pub claim: Claim,
}

/// How a message came to this process.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// SQS's id of the message; the same at every receive.
    pub message_id: String,
    /// How often it had been received, this time included.
    pub receives: u32,
    /// When it was received.
    pub at: Instant,
    /// How old its event was then.
    age: Duration,
}

impl Arrival {
    /// A message that arrives now. The age of its event is told by the event's own time or, where
    /// that is unreadable or lies in the future, by when the message came to the queue.
    pub fn now(
        clock: &Clock,
        message_id: String,
        receives: u32,
        times: [Option<SystemTime>; 2],
    ) -> Self {
        let at = Instant::now();
        let now = clock.wall(at);
        let past = |time: SystemTime| now.duration_since(time).ok();
        let age = times.into_iter().flatten().find_map(past).unwrap_or_default();
        Self { message_id, receives, at, age }
    }

    /// How old the event is by now.
    pub fn age(&self) -> Duration {
        self.age + self.at.elapsed()
    }
}

impl Delivery {
    /// The instance that the event is about.
    pub fn instance(&self) -> &InstanceId {
        &self.change.key.instance
    }

    /// Whether an instance that cannot be found may still turn up.
    pub fn may_turn_up(&self) -> bool {
        self.arrival.age() < CONSISTENCY
    }
}

/// The distinct instances that deliveries are about.
pub fn instances(deliveries: &[Delivery]) -> BTreeSet<InstanceId> {
    deliveries.iter().map(|delivery| delivery.instance().clone()).collect()
}

/// Deliveries in two halves, no instance in both.
pub fn halves(deliveries: Vec<Delivery>) -> [Vec<Delivery>; 2] {
    let ids = instances(&deliveries);
    let middle = ids.iter().nth(ids.len() / 2);
    let lower = |delivery: &Delivery| Some(delivery.instance()) < middle;
    let (low, high) = deliveries.into_iter().partition(lower);
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn age(ago: impl Fn(SystemTime) -> [Option<SystemTime>; 2]) -> Duration {
        let clock = Clock::tied(SystemTime::now());
        let now = clock.wall(Instant::now());
        Arrival::now(&clock, "a".into(), 1, ago(now)).age()
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_as_old_as_it_says() {
        assert_eq!(age(|now| [Some(now - 2 * MINUTE), Some(now - MINUTE)]), 2 * MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_without_a_time_or_from_the_future_is_as_old_as_its_message() {
        assert_eq!(age(|now| [None, Some(now - MINUTE)]), MINUTE);
        assert_eq!(age(|now| [Some(now + MINUTE), Some(now - MINUTE)]), MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_ages_while_it_is_worked_on() {
        let clock = Clock::tied(SystemTime::now());
        let arrival = Arrival::now(&clock, "a".into(), 1, [None, None]);
        tokio::time::sleep(MINUTE).await;
        assert_eq!(arrival.age(), MINUTE);
    }
}
