//! Draws graces for some worlds, and what happens until their instances are stopped. It has a
//! generator of its own, so that the worlds without graces stay the same.

use std::time::Duration;

use fastrand::Rng;

use super::Draw;
use super::policies;
use crate::simulation::plan::{Change, Happening, Kind, Plan, TagEvent};
use crate::simulation::policies::{Grace, Mode, Policies, Set};
use crate::world::TAG;

/// Makes another sequence of the seed than that of the other draws.
const SALT: u64 = 0x6_7ACE;
/// The share of worlds with graces.
const SHARE: f64 = 0.3;
/// How long the story goes on when the last grace is over.
const REST: Duration = Duration::from_mins(12);
/// A process that works for longer than this makes thousands of calls.
const LONG: Duration = Duration::from_hours(8);
/// Stops are planned from this age of a start on.
const PLANNING: Duration = Duration::from_mins(2);
/// How long faults are drawn around a moment.
const WINDOW: Duration = Duration::from_mins(2);
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
        let scale = scale(&mut rng);
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
    }
}

impl Plan {
    /// Lets processes make few calls while nothing happens: one poll at a time, which waits for 20 s,
    /// as it may with a drain of 22 s, and renewals that are seldom due.
    fn waits_long(&mut self) {
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

    /// Plans what owners and operators do, and what fails, until the last grace is over.
    fn long_story(&mut self, policies: &Policies) {
        let graces: Vec<_> = policies.sets().flat_map(Set::graces).collect();
        let longest = graces.iter().map(|grace| end(*grace)).max().unwrap();
        self.length = PLANNING + longest + REST;
        for number in 0..self.instances.len() {
            // No event names the bait of the noise, and nobody changes it.
            if self.events.iter().any(|event| event.instance == number) {
                self.answers(number, &graces);
            }
        }
        let keys: Vec<_> = policies.sets().flat_map(Set::keys).collect();
        self.policies_answered(&keys, &graces);
        self.redrives(&graces);
        self.long_processes(&graces);
        if !self.calm {
            for _ in 0..self.pick(&[1, 1, 2, 3]) {
                let at = self.focus(&graces);
                self.troubled(at);
            }
        }
    }

    /// Draws a moment at which something is to do: stops are planned, or a grace ends, or any other
    /// time.
    fn focus(&mut self, graces: &[Grace]) -> Duration {
        let around = match self.rng.u32(0..10) {
            0..3 => PLANNING,
            3..7 => end(self.pick(graces)),
            _ => return self.moment(),
        };
        around.saturating_sub(Duration::from_secs(30)) + self.secs(0, 150)
    }

    /// Plans what the owner of an instance does in the long run.
    fn answers(&mut self, number: usize, graces: &[Grace]) {
        for _ in 0..self.pick(&[0, 0, 1, 1, 2]) {
            let (at, later) = (self.focus(graces), self.secs(20, 400));
            let then = |change| Happening::Change(change, number);
            let is_seen = self.instances[number].unseen_by.is_none();
            match self.rng.u32(0..100) {
                0..30 => self.happens(at, then(Change::Tag)),
                30..40 if is_seen => self.happens(at, then(Change::Untag)),
                40..55 if is_seen => {
                    self.happens(at, then(Change::Tag));
                    self.happens(at + later, then(Change::Untag));
                    if self.chance(0.5) {
                        self.happens(at + 2 * later, then(Change::Tag));
                    }
                }
                55..65 => self.happens(at, then(Change::Stop)),
                65..92 => {
                    self.happens(at, then(Change::Stop));
                    self.happens(at + later, then(Change::Start));
                    self.reported(number, at + later + self.pending);
                }
                _ => self.happens(at, then(Change::Terminate)),
            }
        }
    }

    /// Plans changes of the tags that policies mention.
    fn policies_answered(&mut self, keys: &[&'static str], graces: &[Grace]) {
        if keys.is_empty() {
            return;
        }
        for number in 0..self.instances.len() {
            for _ in 0..self.pick(&[0, 0, 1, 2]) {
                let at = self.focus(graces);
                let mut values = policies::Draw(self.rng.fork());
                let change = values.change(keys);
                self.happens(at, Happening::Change(change, number));
            }
        }
    }

    /// Plans that changes of tags are reported, in every second world: mostly at once, and some late or
    /// twice.
    fn reported_tags(&mut self) -> Vec<TagEvent> {
        let mut tag_events = Vec::new();
        if self.chance(0.5) {
            return tag_events;
        }
        for number in 0..self.story.len() {
            let (at, Happening::Change(change, instance)) = self.story[number] else { continue };
            let key = match change {
                Change::Tag | Change::Untag => TAG,
                Change::Set(key, _) | Change::Unset(key) => key,
                _ => continue,
            };
            if self.events.iter().all(|event| event.instance != instance)
                || self.instances[instance].kind == Kind::Unknown
            {
                continue;
            }
            let later = if self.chance(0.6) { Duration::ZERO } else { self.secs(0, 40) };
            let sends = Happening::SendTags(tag_events.len());
            tag_events.push(TagEvent { instance, id: self.event_id(), key });
            self.happens(at + later, sends);
            if self.chance(0.15) {
                let again = self.secs(0, 120);
                self.happens(at + later + again, Happening::SendTags(tag_events.len() - 1));
            }
        }
        tag_events
    }

    /// Plans that messages of old events come again, and that launches have further events.
    fn redrives(&mut self, graces: &[Grace]) {
        for event in 0..self.events.len() {
            if self.chance(0.15) {
                let at = self.focus(graces);
                self.happens(at, Happening::Send(event));
            }
            if self.chance(0.1) {
                let (instance, at) = (self.events[event].instance, self.focus(graces));
                self.reported(instance, at);
            }
        }
    }

    /// Plans that processes are replaced, and that a second one works beside them for a while.
    fn long_processes(&mut self, graces: &[Grace]) {
        for _ in 0..self.pick(&[0, 0, 1, 1, 2, 3]) {
            let at = self.focus(graces);
            self.replaced(at);
        }
        if self.length > LONG && self.chance(0.6) {
            self.hibernation();
        }
        if self.chance(0.3) {
            let (one, other) = (self.focus(graces), self.focus(graces));
            self.happens(one.min(other), Happening::Begin);
            let end = if self.chance(0.5) { Happening::Kill } else { Happening::Drain };
            self.happens(one.max(other), end);
        }
    }

    /// Plans that no process works until the last grace is nearly over.
    fn hibernation(&mut self) {
        let (from, to) = (self.secs(60, 1_800), self.length.saturating_sub(2 * REST));
        for _ in 0..3 {
            let end = if self.chance(0.5) { Happening::Kill } else { Happening::Drain };
            self.happens(from, end);
        }
        self.happens(to, Happening::Begin);
    }

    /// Plans faults around a moment: the usual ones, or SNS down for long.
    fn troubled(&mut self, at: Duration) {
        let (begin, length) = (at.saturating_sub(WINDOW / 2), self.length);
        let mark = self.story.len();
        self.length = WINDOW;
        match self.rng.u32(0..10) {
            0..4 => self.silenced(),
            4..6 => self.panics(),
            _ => self.troubles(),
        }
        for (at, _) in &mut self.story[mark..] {
            *at += begin;
        }
        self.length = length;
    }
}

/// When the grace of an instance is over that is launched when the world begins, at the latest.
fn end(grace: Grace) -> Duration {
    grace.period + Duration::from_secs(grace.since.max(60).unsigned_abs())
}
