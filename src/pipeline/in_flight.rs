//! How many messages of the queue are in flight: held by consumers, or hidden until later, as planned
//! stops are. At 120,000 SQS answers polls with nothing and with no error, so that the daemon would
//! look healthy and do nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// From so many on people are told: SQS lets 120,000 messages of a standard queue be in flight
/// ("Amazon SQS message quotas").
const MANY: u64 = 100_000;

/// How many messages were in flight when SQS was asked last.
#[derive(Debug, Default)]
pub(crate) struct InFlight(AtomicU64);

impl InFlight {
    /// Notes how many there are.
    pub(crate) fn note(&self, messages: u64) {
        self.0.store(messages, Ordering::Relaxed);
    }

    /// Says that so many messages are in flight that polls may bring nothing; `None` while they are
    /// few.
    pub(crate) fn remark(&self) -> Option<String> {
        let count = self.0.load(Ordering::Relaxed);
        (count >= MANY).then(|| {
            format!(
                "{count} messages are in flight, and from 120000 on SQS hands out none: shorten \
                 graces, let held stops go on, or use more queues"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_are_remarked_on_before_sqs_hands_out_none() {
        let in_flight = InFlight::default();
        in_flight.note(99_999);
        assert_eq!(in_flight.remark(), None);
        in_flight.note(100_000);
        assert!(in_flight.remark().unwrap().starts_with("100000 messages are in flight"));
    }
}
