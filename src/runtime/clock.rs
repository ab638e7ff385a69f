//! The time of day.

use std::time::SystemTime;

use tokio::time::Instant;

/// Tells the time of day at a moment of tokio's clock.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// By the machine's clock, which may be set right while the daemon runs.
    System,
    /// By tokio's clock alone, so that pausing the one pauses the other.
    Tied {
        /// A moment.
        at: Instant,
        /// The time of day then.
        wall: SystemTime,
    },
}

impl Clock {
    /// Ties a time of day to tokio's clock as it stands now.
    pub fn tied(wall: SystemTime) -> Self {
        Self::Tied { at: Instant::now(), wall }
    }

    /// The time of day at that moment.
    pub fn wall(&self, moment: Instant) -> SystemTime {
        match self {
            Self::System => SystemTime::now() - moment.elapsed(),
            Self::Tied { at, wall } => *wall + moment.saturating_duration_since(*at),
        }
    }
}
