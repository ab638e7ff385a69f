//! How fast the day passes. Tokio's clock is paused, and goes on whenever nothing is left to do: each
//! step of the day is held up for a moment of real time, so that a person can follow.

use std::thread;
use std::time::Duration;

/// How much of the day passes in a step.
const STEP: Duration = Duration::from_secs(10);

/// How long a step of ten seconds of the day takes.
#[derive(Clone, Copy, Debug)]
pub struct Pace(Duration);

impl Pace {
    /// The day passes in about a minute.
    pub const FOR_PEOPLE: Self = Self(Duration::from_millis(25));
    /// The day passes as fast as it can be computed.
    pub const AT_ONCE: Self = Self(Duration::ZERO);

    /// Lets a step of the day pass, or less if `left` is less.
    pub(super) async fn step(self, left: Duration) {
        tokio::time::sleep(left.min(STEP)).await;
        // Blocks the only thread, and with it the day.
        thread::sleep(self.0);
    }
}
