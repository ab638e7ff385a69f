//! A message in a queue.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::time::Instant;

/// A message, with everything that SQS keeps about it.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub body: String,
    /// How often it has been received, by any consumer.
    pub receive_count: u32,
    pub visibility: Visibility,
    pub sent: SystemTime,
    pub(super) first_received: Option<SystemTime>,
    /// When it was last received. The limit of 12 hours counts from then.
    pub(super) received: Option<Instant>,
    /// `MessageAttributes` as they were sent.
    pub(super) attributes: Value,
    /// The queue from which it was moved here, if this is a dead-letter queue.
    pub(super) source: Option<String>,
    /// Its place in the order in which messages were sent.
    pub(super) number: u64,
}

/// Whether a message can be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Visible,
    /// A consumer has received it.
    Held {
        until: Instant,
    },
    /// It was sent with a delay.
    Delayed {
        until: Instant,
    },
}

impl Message {
    pub(in crate::sandbox) fn new(id: String, body: String, sent: SystemTime) -> Self {
        Self {
            id,
            body,
            receive_count: 0,
            visibility: Visibility::Visible,
            sent,
            first_received: None,
            received: None,
            attributes: Value::Null,
            source: None,
            number: 0,
        }
    }

    /// Whether a consumer has received it and its visibility timeout has not passed.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.visibility, Visibility::Held { .. })
    }

    pub(super) fn hidden_until(&self) -> Option<Instant> {
        match self.visibility {
            Visibility::Visible => None,
            Visibility::Held { until } | Visibility::Delayed { until } => Some(until),
        }
    }

    /// How long its visibility timeout may still be: 12 hours from when it was last received.
    pub(super) fn hold_left(&self, now: Instant) -> Duration {
        const LONGEST: Duration = Duration::from_hours(12);
        let held = self.received.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        LONGEST.saturating_sub(held)
    }
}
