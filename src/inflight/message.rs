//! A message that this process holds.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::inflight::lease::Lease;
use crate::runtime::clock::Clock;

/// A message that this process holds, and has yet to settle.
#[derive(Debug)]
pub(crate) struct HeldMessage {
    /// How it came.
    pub(crate) arrival: Arrival,
    /// The right to settle it.
    pub(crate) lease: Lease,
}

/// How a message came to this process.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// SQS's id of the message; the same at every receive.
    pub(crate) message_id: String,
    /// How often the message had been received, this time included.
    pub(crate) receives: u32,
    /// When it was received.
    pub(crate) at: Instant,
    /// How old its event was then.
    age: Duration,
}

impl Arrival {
    /// A message that arrives now, after so many receives.
    ///
    /// Its event is as old as the first of `times` that is known and past: the event's own time,
    /// then the time at which the message came to the queue.
    pub(crate) fn now(
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
    pub(crate) fn age(&self) -> Duration {
        self.age + self.at.elapsed()
    }
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
