//! The time of day by tokio's clock, so that pausing the one pauses the other.

use std::time::SystemTime;

use tokio::time::Instant;

/// Ties tokio's time to the time of day at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    wall: SystemTime,
}

impl Clock {
    /// Ties them now.
    pub fn start() -> Self {
        Self { started: Instant::now(), wall: SystemTime::now() }
    }

    /// The time of day at that moment.
    pub fn wall(&self, at: Instant) -> SystemTime {
        self.wall + at.saturating_duration_since(self.started)
    }
}
