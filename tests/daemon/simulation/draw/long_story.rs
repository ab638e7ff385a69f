//! Draws what happens in a world with graces until its instances are stopped: what owners and operators
//! do, which events come late or again, when processes end, and what fails.

use std::time::Duration;

use super::Draw;
use super::policies;
use crate::simulation::plan::{Change, Happening};
use crate::simulation::policies::{Grace, Policies, Set};

/// How long the story goes on when the last grace is over.
pub(super) const REST: Duration = Duration::from_mins(12);
/// A process that works for longer than this makes thousands of calls.
const LONG: Duration = Duration::from_hours(8);
/// Stops are planned from this age of a start on.
pub(super) const PLANNING: Duration = Duration::from_mins(2);
/// How long faults are drawn around a moment.
const WINDOW: Duration = Duration::from_mins(2);

impl Draw {
    /// Plans what owners and operators do, and what fails, until the last grace is over.
    pub(super) fn long_story(&mut self, policies: &Policies) {
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
    pub(super) fn troubled(&mut self, at: Duration) {
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
