//! Wall-clock time that follows tokio's clock, so that pausing the one pauses the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

/// Ties tokio's time to the wall clock, at the moment of construction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    started: Instant,
    wall: SystemTime,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), wall: SystemTime::now() }
    }

    /// Says what the wall clock showed at that moment.
    pub(super) fn wall(&self, at: Instant) -> SystemTime {
        self.wall + at.saturating_duration_since(self.started)
    }
}

/// The time since 1970, as SQS counts its timestamps from.
pub(super) fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Writes a time as events carry it: `2021-11-11T21:29:54Z`.
pub(super) fn rfc3339(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at).truncate_to_second();
    at.format(&Rfc3339).unwrap_or_default()
}
