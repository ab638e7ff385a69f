//! The time of day, which tests can set, and times that pass while the host is suspended, too.

use std::time::{Duration, SystemTime};

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

/// A moment, by tokio's clock and by the time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    clock: Clock,
    at: Instant,
    wall: SystemTime,
}

impl Moment {
    /// This moment, with the time of day by `clock`.
    pub(crate) fn now(clock: Clock) -> Self {
        let at = Instant::now();
        Self { clock, at, wall: clock.wall(at) }
    }

    /// Its time of day.
    pub(crate) fn wall(self) -> SystemTime {
        self.wall
    }

    /// The time since: the greater one by the two clocks. Tokio's clock stands still while the host
    /// is suspended (`CLOCK_MONOTONIC` of Linux), and the time of day can be set back.
    pub(crate) fn elapsed(self) -> Duration {
        let now = Self::now(self.clock);
        let by_day = now.wall.duration_since(self.wall).unwrap_or_default();
        now.at.saturating_duration_since(self.at).max(by_day)
    }

    #[cfg(test)]
    /// The same moment, had the time of day been set forward by so much since, as it is after a
    /// suspension.
    pub(crate) fn before_suspension(self, lasted: Duration) -> Self {
        Self { wall: self.wall - lasted, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn the_time_since_a_moment_passes_by_either_clock() {
        let clock = Clock::tied(SystemTime::now());
        let moment = Moment::now(clock);
        tokio::time::sleep(HOUR).await;
        assert_eq!(moment.elapsed(), HOUR);
        assert_eq!(moment.before_suspension(HOUR).elapsed(), 2 * HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_of_day_that_is_set_back_makes_nothing_younger() {
        let moment = Moment::now(Clock::System);
        tokio::time::sleep(HOUR).await;
        let set_back = Moment { wall: moment.wall + 2 * HOUR, ..moment };
        assert_eq!(set_back.elapsed(), HOUR);
    }
}
