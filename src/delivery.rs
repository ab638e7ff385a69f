//! One message on its way from receipt to settlement.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::event::{InstanceId, StateChange};
use crate::lease::Lease;
use crate::memory::Claim;

/// So long after an event an instance that cannot be found may still turn up (EC2 is eventually
/// consistent).
const CONSISTENCY: Duration = Duration::from_mins(5);

/// A state change, and everything that is needed to settle its message.
#[derive(Debug)]
pub struct Delivery {
    /// What happened.
    pub change: StateChange,
    /// The right to settle the message.
    pub lease: Lease,
    /// The right to work on the event.
    pub claim: Claim,
    /// SQS's id of the message.
    pub message_id: String,
    /// When the message came to the queue.
    pub sent_at: Option<SystemTime>,
    /// When it was received.
    pub received_at: Instant,
}

impl Delivery {
    /// The instance that the event is about.
    pub fn instance(&self) -> &InstanceId {
        &self.change.key.instance
    }

    /// How old the event is, by its own time or, where that is unreadable or lies in the future,
    /// by the time it came to the queue.
    pub fn age(&self) -> Duration {
        let now = now();
        let past = |time: &SystemTime| *time <= now;
        let since = self.change.time.filter(past).or(self.sent_at.filter(past));
        since.and_then(|since| now.duration_since(since).ok()).unwrap_or_default()
    }

    /// Whether an instance that cannot be found may still turn up.
    pub fn may_turn_up(&self) -> bool {
        self.age() < CONSISTENCY
    }
}

/// The time of day, counted from the process's start by tokio's clock, so that a test that pauses
/// that clock pauses this one too.
fn now() -> SystemTime {
    static ORIGIN: OnceLock<(SystemTime, std::time::Instant)> = OnceLock::new();
    let (time, origin) = ORIGIN.get_or_init(|| (SystemTime::now(), Instant::now().into_std()));
    *time + Instant::now().into_std().saturating_duration_since(*origin)
}
