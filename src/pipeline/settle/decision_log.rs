//! The decision line: for each message one line that says what became of it, and why.

use std::fmt::Display;
use std::time::Duration;

use tracing::{field, info, warn};

use crate::domain::event::StateChange;
use crate::domain::policy::Decision;
use crate::pipeline::delivery::{Arrival, Delivery};

/// What the line tells.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'message> {
    arrival: &'message Arrival,
    about: Option<&'message StateChange>,
    decision: Option<Decision>,
    reason: Option<&'static str>,
    delay: Option<Duration>,
}

/// Writes the line at a level, which tracing wants to know when it is compiled.
macro_rules! write_line {
    ($level:ident, $entry:ident, $outcome:ident, $sentence:ident) => {{
        let key = $entry.about.map(|change| &change.key);
        $level!(
            message.id = $entry.arrival.message_id,
            instance.id = key.map(|key| field::display(&key.instance)),
            account = key.map(|key| field::display(&key.account)),
            region = key.map(|key| field::display(&key.region)),
            event.id = key.map(|key| &*key.event_id),
            decision = $entry.decision.map_or("none", Decision::as_str),
            outcome = %$outcome,
            reason = $entry.reason,
            delay_ms = $entry.delay.map(ms),
            age_ms = ms($entry.arrival.age()),
            receives = $entry.arrival.receives,
            duration_ms = ms($entry.arrival.at.elapsed()),
            "{}", $sentence
        );
    }};
}

impl<'message> Entry<'message> {
    /// A line about a message, and about the state change in it as far as that is sound.
    pub fn new(arrival: &'message Arrival, about: Option<&'message StateChange>) -> Self {
        Self { arrival, about, decision: None, reason: None, delay: None }
    }

    /// A line about a delivery.
    pub fn of(delivery: &'message Delivery) -> Self {
        Self::new(&delivery.arrival, Some(&delivery.change))
    }

    /// Adds what the policy said.
    #[must_use]
    pub fn decided(self, decision: Decision) -> Self {
        Self { decision: Some(decision), ..self }
    }

    /// Adds why.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Adds how long the message stays away.
    #[must_use]
    pub fn away_for(self, delay: Duration) -> Self {
        Self { delay: Some(delay), ..self }
    }

    /// Writes the line for what went as it should.
    pub fn inform(self, outcome: impl Display, sentence: &str) {
        write_line!(info, self, outcome, sentence);
    }

    /// Writes the line for what must come back.
    pub fn warn(self, outcome: impl Display, sentence: &str) {
        write_line!(warn, self, outcome, sentence);
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
