//! The time of day, which tests can set.

use std::time::SystemTime;

use tokio::time::Instant;

/// Converts moments of tokio's clock, by which the daemon waits and measures, to the time of day.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's clock, which may be corrected while the daemon runs.
    System,
    /// A time of day that passes as tokio's clock does, and stands still while a test pauses that.
    Tied {
        /// A moment of tokio's clock.
        at: Instant,
        /// The time of day at that moment.
        wall: SystemTime,
    },
}

impl Clock {
    /// A clock that shows `wall` now, and passes as tokio's clock does.
    pub fn tied(wall: SystemTime) -> Self {
        Self::Tied { at: Instant::now(), wall }
    }

    /// The time of day at a moment that is not in the future.
    pub fn wall(&self, moment: Instant) -> SystemTime {
        match self {
            Self::System => SystemTime::now() - moment.elapsed(),
            Self::Tied { at, wall } => *wall + moment.saturating_duration_since(*at),
        }
    }
}
