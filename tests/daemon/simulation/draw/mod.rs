//! Draws the plan of a world from a seed. Each draw advances the random generator, so the order of
//! draws decides which world a seed has.

mod account_troubles;
mod accounts;
mod actors;
mod budgets;
mod faults;
mod graces;
mod long_story;
mod members;
mod policies;
mod poison;
mod processes;
mod queue;
mod quick_owners;
mod setting;
mod tag_events;
mod traits;

use std::time::Duration;

use fastrand::Rng;

use super::plan::{Event, Happening, Instance, Plan};
use setting::Setting;

/// A plan that is being drawn.
pub(super) struct Draw {
    pub rng: Rng,
    /// How long the story is.
    pub length: Duration,
    /// How long an instance is `pending`.
    pub pending: Duration,
    /// Whether no faults are drawn but those of single instances.
    pub calm: bool,
    /// Whether all instances are launched at the start, so that batches are large.
    pub burst: bool,
    pub instances: Vec<Instance>,
    pub events: Vec<Event>,
    pub story: Vec<(Duration, Happening)>,
    pub lingers: Duration,
}

impl Plan {
    pub(super) fn drawn(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let setting = Setting::drawn(seed, &mut rng);
        let mut draw = Draw {
            length: Duration::from_secs(rng.u64(15..90)),
            pending: setting.options.pending,
            calm: rng.f64() < 0.15,
            burst: rng.f64() < 0.4,
            rng,
            instances: Vec::new(),
            events: Vec::new(),
            story: Vec::new(),
            lingers: Duration::ZERO,
        };
        draw.happenings(setting.second_region);
        let mails = !setting.fifo && draw.chance(0.3);
        draw.plan(seed, setting, mails)
            .with_members()
            .with_policies()
            .with_graces()
            .with_quick_owners()
            .with_budget()
    }
}

impl Draw {
    /// The plan with what was drawn so far, and this setting.
    fn plan(self, seed: u64, setting: Setting, mails: bool) -> Plan {
        let Self { instances, events, mut story, lingers, .. } = self;
        story.sort_by_key(|(at, _)| *at);
        Plan {
            seed,
            options: setting.options,
            settings: setting.settings,
            visibility: setting.visibility,
            drain_timeout: setting.drain_timeout,
            denial_timeout: setting.denial_timeout,
            inbox: setting.inbox,
            room: setting.room,
            share_percent: setting.share_percent,
            fifo: setting.fifo,
            mails,
            clock_ahead_secs: setting.clock_ahead_secs,
            instances,
            events,
            tag_events: Vec::new(),
            lets_owners_answer: false,
            policies: None,
            members: None,
            budget: None,
            story,
            lingers,
        }
    }

    fn happenings(&mut self, second_region: bool) {
        self.instances(second_region);
        self.noise();
        self.processes();
        self.latencies();
        if !self.calm {
            self.troubles();
        }
        self.poisons();
        if !self.calm && self.chance(0.4) {
            self.panics();
        }
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.rng.f64() < probability
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.rng.usize(..choices.len())]
    }

    /// Draws a time between two, in whole milliseconds.
    pub(super) fn time(&mut self, from: Duration, to: Duration) -> Duration {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        Duration::from_millis(self.rng.u64(ms(from)..=ms(to)))
    }

    pub(super) fn secs(&mut self, from: u64, to: u64) -> Duration {
        self.time(Duration::from_secs(from), Duration::from_secs(to))
    }

    /// Draws a moment of the story.
    pub(super) fn moment(&mut self) -> Duration {
        self.time(Duration::ZERO, self.length)
    }

    pub(super) fn happens(&mut self, at: Duration, happening: Happening) {
        self.story.push((at, happening));
    }
}
