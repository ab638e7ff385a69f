//! Draws poisoned instances: those for which an operation of EC2 always fails, or fails for
//! minutes.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Fault;

use super::Draw;
use super::setting::HOME;
use crate::simulation::plan::{Happening, Instance, Kind, Trouble};

const OPERATIONS: [&str; 3] = ["DescribeTags", "DescribeInstances", "StopInstances"];

impl Draw {
    /// Draws poisoned instances in every fourth world, and violators that come after them.
    pub(crate) fn poisons(&mut self) {
        if self.chance(0.75) {
            return;
        }
        for _ in 0..self.pick(&[1, 1, 1, 2, 4]) {
            self.poison();
        }
        for _ in 0..self.pick(&[1, 2, 6]) {
            let at = self.secs(30, 600);
            self.violator(at);
        }
        self.lingers = self.pick(&[Duration::ZERO, Duration::ZERO, Duration::from_mins(30)]);
    }

    fn poison(&mut self) {
        let at = if self.chance(0.5) { Duration::ZERO } else { self.moment() };
        let instance = self.violator(at);
        self.poisoned(instance);
    }

    /// Lets an operation fail for an instance, to the end or for minutes.
    pub(crate) fn poisoned(&mut self, instance: usize) {
        let operation = self.pick(&OPERATIONS);
        let fault = match self.rng.u32(0..100) {
            0..60 => Fault::error(500, "InternalError"),
            60..90 => Fault::error(400, "SomethingNew"),
            _ => Fault::CutBefore,
        };
        let number = self.strikes(Duration::ZERO, Trouble::Poison { operation, instance, fault });
        if self.chance(0.5) {
            let ends = self.secs(60, 900);
            self.happens(ends, Happening::Lift(number));
        }
    }

    /// Draws an instance that must be stopped.
    pub(crate) fn violator(&mut self, at: Duration) -> usize {
        let region = self.instances.first().map_or(HOME, |instance| instance.region);
        let instance = self.instance(region);
        let violator = Instance { kind: Kind::Plain, exempt: false, unseen_by: None, ..instance };
        self.instances.push(violator);
        let number = self.instances.len() - 1;
        self.lives(number, at);
        number
    }
}
