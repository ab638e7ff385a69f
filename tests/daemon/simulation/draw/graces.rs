//! Draws graces for some worlds. It has a generator of its own, so that the worlds without graces
//! stay the same.

use std::time::Duration;

use fastrand::Rng;

use super::Draw;
use super::long_story::{PLANNING, REST};
use crate::simulation::plan::{Happening, Plan};
use crate::simulation::policies::{Grace, Mode, Policies, Set};

/// Makes another sequence of the seed than that of the other draws.
const SALT: u64 = 0x6_7ACE;
/// The share of worlds with graces.
const SHARE: f64 = 0.3;
/// The longest grace in a world with members, whose accounts make many calls while they are broken.
const SHORT: Duration = Duration::from_mins(30);
/// How far the clocks of hosts are ahead of AWS's, or behind them, in seconds.
const CLOCKS: [i64; 6] = [0, 0, 90, 301, -40, -240];

impl Plan {
    /// The same plan, with graces if the seed says so. Hours and days pass in such a world, so that
    /// its processes poll with one task alone.
    pub(super) fn with_graces(mut self) -> Self {
        let mut rng = Rng::with_seed(self.seed ^ SALT);
        if rng.f64() >= SHARE {
            return self;
        }
        self.clock_ahead_secs = CLOCKS[rng.usize(..CLOCKS.len())];
        self.waits_long();
        let mut scale = scale(&mut rng);
        if self.members.is_some() {
            scale = scale.min(SHORT);
        }
        let policies = self.policies.take().unwrap_or_else(|| builtin_alone(rng.bool()));
        let mut draw = Draw {
            length: Duration::ZERO,
            pending: self.options.pending,
            calm: rng.f64() < 0.4,
            burst: false,
            rng,
            instances: self.instances,
            events: self.events,
            story: self.story,
            lingers: self.lingers,
        };
        let policies = draw.graces(policies, scale);
        draw.long_story(&policies);
        let tag_events = draw.reported_tags();
        if !tag_events.is_empty() {
            self.settings.push(("ENFORCER_POLICY__TAG_CHANGES", "true".to_owned()));
        }
        let Draw { instances, events, mut story, .. } = draw;
        story.sort_by_key(|(at, _)| *at);
        Self { instances, events, story, tag_events, policies: Some(policies), ..self }
            .with_lasting_credentials()
    }
}

impl Plan {
    /// Lets processes make few calls while nothing happens: one poll at a time, which waits for 20 s,
    /// as it may with a drain of 22 s, and renewals that are seldom due.
    pub(super) fn waits_long(&mut self) {
        self.drain_timeout = self.drain_timeout.max(Duration::from_secs(22));
        self.visibility = self.visibility.max(Duration::from_secs(30));
        for (key, value) in &mut self.settings {
            match *key {
                "ENFORCER_SIZES__POLLERS" => "1".clone_into(value),
                "ENFORCER_DRAIN__TIMEOUT_SECS" => *value = self.drain_timeout.as_secs().to_string(),
                "ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS" => {
                    *value = self.visibility.as_secs().to_string();
                }
                _ => {}
            }
        }
    }
}

/// Draws how long graces are in a world: mostly for minutes or hours, and for a day or two in few
/// worlds, since these are dear.
fn scale(rng: &mut Rng) -> Duration {
    let minutes = match rng.u32(0..100) {
        0..50 => rng.u64(3..40),
        50..80 => rng.u64(40..120),
        80..95 => rng.u64(120..360),
        _ => rng.u64(720..2_800),
    };
    Duration::from_mins(minutes)
}

/// The built-in policy alone, which may be in a dry run for a while.
fn builtin_alone(changes: bool) -> Policies {
    let first = Set { builtin: true, grace: None, cap: Mode::Enforce, policies: Vec::new() };
    let later = changes.then(|| (Duration::ZERO, first.clone()));
    Policies { first, later }
}

impl Draw {
    /// Gives graces to some policies, to one of the first at least, and moves the reload.
    fn graces(&mut self, policies: Policies, scale: Duration) -> Policies {
        let Policies { mut first, later } = policies;
        self.graced(&mut first, scale);
        match first.policies.first_mut() {
            Some(policy) if !first.builtin && first.grace.is_none() => {
                policy.grace = policy.grace.or_else(|| Some(self.grace(scale)));
            }
            _ if first.builtin => first.grace = first.grace.or_else(|| Some(self.grace(scale))),
            _ => {}
        }
        self.story.retain(|(_, happening)| !matches!(happening, Happening::Reload));
        let later = later.map(|(_, mut set)| {
            self.graced(&mut set, scale);
            let at = self.time(Duration::ZERO, PLANNING + scale + REST);
            self.happens(at, Happening::Reload);
            (at, set)
        });
        Policies { first, later }
    }

    fn graced(&mut self, set: &mut Set, scale: Duration) {
        set.grace = self.chance(0.7).then(|| self.grace(scale));
        for policy in &mut set.policies {
            policy.grace = self.chance(0.7).then(|| self.grace(scale));
        }
    }

    fn grace(&mut self, scale: Duration) -> Grace {
        let period = self.time(Duration::from_secs(30).min(scale), scale);
        let since = match self.rng.u32(0..4) {
            0..2 => -7 * 24 * 3_600,
            2 => self.rng.i64(-3_600..0),
            _ => self.rng.i64(0..3_600),
        };
        Grace { period: Duration::from_secs(period.as_secs()), since }
    }
}
