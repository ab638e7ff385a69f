//! Draws the noise: messages in the queue that are no valid events for the daemon.

use super::Draw;
use crate::simulation::plan::{Happening, Noise};

const NOISE: [Noise; 8] = [
    Noise::OtherSource,
    Noise::OtherState,
    Noise::NotJson,
    Noise::KeyTwice,
    Noise::ForeignAccount,
    Noise::ForeignRegion,
    Noise::Wildcard,
    Noise::NoState,
];

impl Draw {
    pub(crate) fn noise(&mut self) {
        let count = self.pick(&[0, 0, 1, 2, 4]);
        if count == 0 {
            return;
        }
        let bait = self.bait();
        for _ in 0..count {
            let (at, noise) = (self.moment(), self.pick(&NOISE));
            self.happens(at, Happening::Noise(noise, bait));
        }
    }
}
