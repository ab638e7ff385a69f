//! Draws the instances of a world, their events, and what their owners do to them.

use std::time::Duration;

use super::Draw;
use super::setting::{AWAY, HOME};
use crate::simulation::plan::{Change, Event, Form, Happening, Instance, Kind};
use crate::simulation::policies::ACCOUNT;

/// The least age of an old event: more than the 5 min after which an unknown instance is gone.
const LATE: Duration = Duration::from_mins(6);

impl Draw {
    pub(crate) fn instances(&mut self, second_region: bool) {
        let count = self.rng.usize(2..=16);
        for number in 0..count {
            let region = if second_region && self.chance(0.4) { AWAY } else { HOME };
            let instance = self.instance(region);
            self.instances.push(instance);
            self.life(number);
        }
    }

    /// Draws an instance that no valid event names. The noise in the queue names it.
    pub(crate) fn bait(&mut self) -> usize {
        let instance = self.instance(HOME);
        self.instances.push(Instance { kind: Kind::Plain, exempt: false, ..instance });
        let number = self.instances.len() - 1;
        self.happens(Duration::ZERO, Happening::Change(Change::Launch, number));
        number
    }

    pub(crate) fn instance(&mut self, region: &'static str) -> Instance {
        let exempt = self.chance(0.35);
        let hides = exempt && self.chance(0.5);
        Instance {
            id: format!("i-0{:016x}", self.rng.u64(..)),
            account: ACCOUNT.to_owned(),
            region,
            kind: self.kind(),
            exempt,
            tags: self.tags(),
            unseen_by: hides.then(|| self.pick(&["DescribeTags", "DescribeInstances"])),
            traits: None,
        }
    }

    fn kind(&mut self) -> Kind {
        match self.rng.u32(0..100) {
            0..72 => Kind::Plain,
            72..78 => Kind::PersistentSpot,
            78..82 => Kind::OneTimeSpot,
            82..86 => Kind::InstanceStore,
            86..90 => Kind::Protected,
            90..94 => Kind::Managed,
            _ => Kind::Unknown,
        }
    }

    fn tags(&mut self) -> Vec<&'static str> {
        let mut tags = vec!["Name", "Owner", "Team", "special_exception"];
        tags.retain(|_| self.rng.f64() < 0.3);
        tags
    }

    fn life(&mut self, number: usize) {
        let launched = if self.burst || self.chance(0.3) { Duration::ZERO } else { self.moment() };
        self.lives(number, launched);
    }

    /// Plans the launch of an instance, its event, and up to three changes by its owner.
    pub(crate) fn lives(&mut self, number: usize, launched: Duration) {
        if self.instances[number].kind != Kind::Unknown {
            self.happens(launched, Happening::Change(Change::Launch, number));
        }
        // The event can come while DescribeInstances still shows `pending`.
        let is_behind = self.chance(0.2);
        let after = if is_behind { self.time(Duration::ZERO, self.pending) } else { self.pending };
        self.reported(number, launched + after);
        let changes = self.pick(&[0, 0, 0, 1, 1, 2, 3]);
        for _ in 0..changes {
            let at = self.time(launched, launched + Duration::from_mins(1));
            self.changed(number, at);
        }
    }

    /// Plans a change by the owner and, after a start, the next event.
    fn changed(&mut self, number: usize, at: Duration) {
        let change = match self.rng.u32(0..100) {
            0..30 => Change::Tag,
            30..50 if self.instances[number].unseen_by.is_none() => Change::Untag,
            50..65 => Change::Stop,
            65..90 => Change::Start,
            90..97 => Change::Terminate,
            _ => Change::Forget,
        };
        self.happens(at, Happening::Change(change, number));
        if change == Change::Start {
            self.reported(number, at + self.pending);
        }
    }

    /// Plans the event of an instance that is `running`, which may come late or twice.
    pub(crate) fn reported(&mut self, instance: usize, at: Duration) {
        let delay = if !self.burst && self.chance(0.3) { self.secs(0, 40) } else { Duration::ZERO };
        let age = if self.chance(0.15) { LATE + self.secs(0, 3600) } else { delay };
        let id = self.event_id();
        let form = self.form();
        self.events.push(Event { instance, id, form, age });
        let event = self.events.len() - 1;
        self.happens(at + delay, Happening::Send(event));
        if self.chance(0.3) {
            let later = if self.chance(0.5) { Duration::ZERO } else { self.secs(0, 60) };
            self.happens(at + delay + later, Happening::Send(event));
        }
    }

    pub(crate) fn event_id(&mut self) -> String {
        let mut part =
            |digits: usize| -> String { (0..digits).map(|_| self.rng.digit(16)).collect() };
        [8, 4, 4, 4, 12].map(&mut part).join("-")
    }

    fn form(&mut self) -> Form {
        match self.rng.u32(0..100) {
            0..75 => Form::Plain,
            75..80 => Form::UpperCase,
            80..85 => Form::InSnsEnvelope,
            85..90 => Form::WithoutId,
            90..95 => Form::WithoutTime,
            _ => Form::FromTheFuture,
        }
    }
}
