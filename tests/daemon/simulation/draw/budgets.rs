//! Draws budgets of stops for some worlds, what people do about the tags that hold stops, and what
//! else makes a budget matter: many violators, further processes, and tags that cannot be read or
//! set. It has a generator of its own, so that the worlds without budgets stay the same.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule};
use fastrand::Rng;

use super::Draw;
use super::setting::{AWAY, HOME};
use crate::simulation::budget::Budget;
use crate::simulation::plan::{Happening, Plan, Trouble};
use crate::simulation::policies::{ACCOUNT, Policies};

/// Makes another sequence of the seed than that of the other draws.
const SALT: u64 = 0x0B_0D6E_7000;
/// The share of worlds with budgets.
const SHARE: f64 = 0.35;
/// How long windows are, in seconds.
const WINDOWS: [u64; 6] = [20, 60, 300, 600, 600, 3_600];
const TAG_CALLS: [&str; 2] = ["ListQueueTags", "TagQueue"];

impl Plan {
    /// The same plan, with a budget if the seed says so. Hours pass in such a world, so that its
    /// processes poll with one task alone.
    pub(super) fn with_budget(mut self) -> Self {
        let mut rng = Rng::with_seed(self.seed ^ SALT);
        if rng.f64() >= SHARE || self.lets_owners_answer || self.members.is_some() {
            return self;
        }
        self.waits_long();
        let budget = self.budget(&mut rng);
        self.settings.push(("ENFORCER_BUDGET__STOPS", budget.stops.to_string()));
        self.settings.push(("ENFORCER_BUDGET__WINDOW", format!("{}s", budget.window.as_secs())));
        let ends = self.story.last().map_or(Duration::ZERO, |(at, _)| *at);
        let mut draw = Draw {
            length: ends + Duration::from_secs(rng.u64(300..5_400)),
            pending: self.options.pending,
            calm: rng.f64() < 0.3,
            burst: rng.bool(),
            rng,
            instances: self.instances,
            events: self.events,
            story: self.story,
            lingers: self.lingers,
        };
        draw.budgeted();
        let Draw { instances, events, mut story, .. } = draw;
        story.sort_by_key(|(at, _)| *at);
        Self { instances, events, story, budget: Some(budget), ..self }
    }

    /// Draws a budget. Poisoned instances use places up again and again, and must not use up all.
    fn budget(&self, rng: &mut Rng) -> Budget {
        let stops = [1, 1, 1, 2, 2, 3, 6, 20][rng.usize(..8)] + self.poisoned().len();
        let waits = self.policies.as_ref().is_some_and(Policies::give_grace);
        let hidings = self.longest_wait().as_secs() / (12 * 3_600);
        let receives = [10, 10, 12, 20][rng.usize(..4)];
        Budget {
            stops: stops.min(20),
            window: Duration::from_secs(WINDOWS[rng.usize(..WINDOWS.len())]),
            max_receives: receives.max(if waits { 20 } else { 0 })
                + u32::try_from(hidings).unwrap(),
            other_tags: if rng.f64() < 0.15 { rng.usize(38..46) } else { 0 },
            resumed_after: Duration::from_secs(rng.u64(45..1_200)),
            waits_for_all: waits || rng.f64() < 0.25,
        }
    }
}

impl Draw {
    /// Plans what happens in a world with a budget.
    fn budgeted(&mut self) {
        let all_at = self.moment();
        for _ in 0..self.pick(&[3, 8, 20, 30]) {
            let at = if self.burst { all_at } else { self.moment() };
            self.violator(at);
        }
        for _ in 0..self.pick(&[0, 1, 1, 2]) {
            self.frozen();
        }
        for _ in 0..self.pick(&[0, 1, 2, 4]) {
            let at = self.moment();
            self.happens(at, Happening::Resume);
        }
        for _ in 0..self.pick(&[0, 0, 1, 2]) {
            let at = self.moment();
            self.replaced(at);
        }
        if self.chance(0.4) {
            let (one, other) = (self.moment(), self.moment());
            self.happens(one.min(other), Happening::Begin);
            let end = if self.chance(0.5) { Happening::Kill } else { Happening::Drain };
            self.happens(one.max(other), end);
        }
        if !self.calm {
            self.tags_in_trouble();
            self.ends_in_trouble();
        }
    }

    /// A person sets a tag that holds stops, and removes it again.
    fn frozen(&mut self) {
        let key = match self.rng.u32(0..10) {
            0..4 => "hold/all".to_owned(),
            4..7 => format!("hold/{ACCOUNT}/{HOME}"),
            7..9 => format!("hold/{ACCOUNT}/{AWAY}"),
            // With a slip of the pen, everything is held.
            _ => "hold/ALLL".to_owned(),
        };
        let (at, lasts) = (self.moment(), self.secs(20, 1_800));
        self.happens(at, Happening::Hold(key.clone()));
        self.happens(at + lasts, Happening::Unhold(key));
    }

    /// The queue's tags cannot be read, or not be set, or late.
    fn tags_in_trouble(&mut self) {
        for _ in 0..self.pick(&[0, 1, 2, 3]) {
            let (operation, at) = (self.pick(&TAG_CALLS), self.moment());
            let rule = Rule::on(operation).fault(self.tag_fault());
            if self.chance(0.5) {
                let times = self.rng.usize(1..=4);
                self.strikes(at, Trouble::Fault(rule.times(times)));
            } else {
                let lasts = self.secs(20, 900);
                let number = self.strikes(at, Trouble::Fault(rule));
                self.happens(at + lasts, Happening::Lift(number));
            }
        }
    }

    /// SQS fails around the end of a hold, so that messages are hidden or become visible late.
    fn ends_in_trouble(&mut self) {
        let ends = self.story.iter().filter_map(|(at, happening)| match happening {
            Happening::Resume | Happening::Unhold(_) => Some(*at),
            _ => None,
        });
        let ends: Vec<_> = ends.collect();
        if ends.is_empty() {
            return;
        }
        for _ in 0..self.pick(&[0, 0, 1, 2]) {
            let at = (self.pick(&ends) + self.secs(0, 50)).saturating_sub(Duration::from_secs(15));
            let rule = Rule::on("ChangeMessageVisibilityBatch").fault(self.settling_fault());
            let number = self.strikes(at, Trouble::Fault(rule));
            let lasts = self.secs(5, 90);
            self.happens(at + lasts, Happening::Lift(number));
        }
    }

    fn settling_fault(&mut self) -> Fault {
        match self.rng.u32(0..6) {
            0 => Fault::error(500, "InternalError"),
            1 => Fault::CutBefore,
            2 => Fault::HangBefore,
            _ => {
                let code = "InternalError".to_owned();
                Fault::Entries { count: self.pick(&[1, 2, 10]), code, sender_fault: false }
            }
        }
    }

    fn tag_fault(&mut self) -> Fault {
        match self.rng.u32(0..8) {
            0..2 => Fault::error(500, "InternalError"),
            2 => Fault::error(400, "RequestThrottled"),
            3 => Fault::error(403, "AccessDenied"),
            4 => Fault::CutBefore,
            5 => Fault::CutAfter,
            6 => Fault::HangBefore,
            _ => Fault::Delay(self.secs(1, 9)),
        }
    }
}
