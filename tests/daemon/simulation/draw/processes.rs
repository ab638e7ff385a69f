//! Draws when processes of the daemon start and end.

use std::time::Duration;

use super::Draw;
use crate::simulation::plan::Happening;

impl Draw {
    pub(crate) fn processes(&mut self) {
        let begin = if self.chance(0.5) { Duration::ZERO } else { self.secs(0, 20) };
        self.happens(begin, Happening::Begin);
        let mut at = begin;
        let changes = self.pick(&[0, 0, 1, 1, 1, 2, 3]);
        for _ in 0..changes {
            at += self.secs(2, 50);
            self.replaced(at);
        }
    }

    /// Plans that one process is replaced by another, which may start before the first one ends.
    pub(crate) fn replaced(&mut self, at: Duration) {
        let overlap = self.chance(0.3);
        let gap = if self.chance(0.5) { Duration::ZERO } else { self.secs(0, 30) };
        let (ends, begins) = if overlap { (at + gap, at) } else { (at, at + gap) };
        let end = match self.rng.u32(0..100) {
            0..50 => Happening::Drain,
            50..60 => Happening::Hurry,
            _ => Happening::Kill,
        };
        self.happens(begins, Happening::Begin);
        self.happens(ends, end);
    }
}
