//! One message of a queue.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::time::Instant;

/// A message and everything that SQS knows about it.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub body: String,
    /// How often it has been received, by whomever.
    pub receive_count: u32,
    pub visibility: Visibility,
    pub sent: SystemTime,
    pub(super) first_received: Option<SystemTime>,
    /// The latest receipt, which the limit of 12 hours counts from.
    pub(super) received: Option<Instant>,
    /// `MessageAttributes` as they were sent.
    pub(super) attributes: Value,
    /// The queue that it was redriven from.
    pub(super) source: Option<String>,
    /// Its place in the order of sending.
    pub(super) number: u64,
}

/// Whether a message can be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Visible,
    /// Somebody has received it.
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

    /// Whether somebody has received it and may settle it.
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

    /// Says how long it may still be held: 12 hours from its receipt.
    pub(super) fn hold_left(&self, now: Instant) -> Duration {
        const LONGEST: Duration = Duration::from_hours(12);
        let held = self.received.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        LONGEST.saturating_sub(held)
    }
}
