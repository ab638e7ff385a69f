//! A message that this process holds, and how it arrived.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::inflight::lease::Lease;

/// A message that this process holds until it is settled. Its body has been read and dropped.
#[derive(Debug)]
pub(crate) struct HeldMessage {
    /// When it was received, and how often before.
    pub(crate) arrival: Arrival,
    /// The right to settle it, and what keeps it invisible until then.
    pub(crate) lease: Lease,
}

/// One receive of a message, or the nomination of an instance by a sweep: what the decision line and
/// the retry delay need to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// SQS's id of the message, the same at every receive; `None` for a nomination.
    pub(crate) message_id: Option<Box<str>>,
    /// How often the message had been received, this time included; 0 for a nomination.
    pub(crate) receives: u32,
    /// When it was received, or the instance nominated.
    pub(crate) at: Instant,
    /// How old its event was when the message was received.
    age: Duration,
}

impl HeldMessage {
    /// SQS's id of the message.
    pub(crate) fn id(&self) -> &str {
        self.arrival.message_id.as_deref().unwrap_or_default()
    }
}

impl Arrival {
    /// The arrival of a message that was received just now, for the `receives`th time. The time of
    /// day is `now`, by SQS's clock where that is known.
    ///
    /// The age of its event is counted from the first of `times` that is known and not in the
    /// future: the event's own time, or else the time at which the message was sent to the queue.
    pub(crate) fn now(
        now: SystemTime,
        message_id: String,
        receives: u32,
        times: [Option<SystemTime>; 2],
    ) -> Self {
        let at = Instant::now();
        let past = |time: SystemTime| now.duration_since(time).ok();
        let age = times.into_iter().flatten().find_map(past).unwrap_or_default();
        Self { message_id: Some(message_id.into()), receives, at, age }
    }

    /// The arrival of an instance that a sweep nominates now.
    pub(crate) fn of_nomination() -> Self {
        Self { message_id: None, receives: 0, at: Instant::now(), age: Duration::ZERO }
    }

    /// How old the event is now.
    pub(crate) fn age(&self) -> Duration {
        self.age + self.at.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn age(ago: impl Fn(SystemTime) -> [Option<SystemTime>; 2]) -> Duration {
        let now = SystemTime::now();
        Arrival::now(now, "a".into(), 1, ago(now)).age()
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
        let arrival = Arrival::now(SystemTime::now(), "a".into(), 1, [None, None]);
        tokio::time::sleep(MINUTE).await;
        assert_eq!(arrival.age(), MINUTE);
    }
}
