//! Starts: of which instances a start event came, so that a sweep can tell what EventBridge did not
//! deliver.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::{Duration, UtcDateTime};

use crate::domain::event::EventKey;
use crate::inflight::fingerprint::Fingerprint;

/// The most starts in a generation, at about 40 bytes each.
const GENERATION: usize = 50_000;

/// How much earlier than the launch the event may say that it happened: EC2's time of a launch has
/// whole seconds, and the clocks of two services differ.
const TOLERANCE: Duration = Duration::MINUTE;

/// The starts whose event came, in two generations: when the newer one is full or old, it becomes the
/// older one, which is forgotten. Nothing is remembered where there are no sweeps.
#[derive(Debug)]
pub(crate) struct Starts {
    /// How long a generation lasts; `None` without sweeps.
    lasts: Option<Duration>,
    /// Since when events have come.
    began: UtcDateTime,
    generations: Mutex<Generations>,
}

#[derive(Debug)]
struct Generations {
    newer: Generation,
    older: Generation,
}

#[derive(Debug)]
struct Generation {
    /// Since when every event that came is in it, or in the newer one.
    since: UtcDateTime,
    /// When each instance started last.
    starts: HashMap<Fingerprint, UtcDateTime>,
}

impl Starts {
    /// Remembers events from now on, each for at least the time that a sweep may need to find its
    /// instance; `None`: none at all.
    pub(crate) fn new(lasts: Option<Duration>, now: UtcDateTime) -> Self {
        let generation = || Generation { since: now, starts: HashMap::new() };
        let generations = Generations { newer: generation(), older: generation() };
        Self { lasts, began: now, generations: Mutex::new(generations) }
    }

    /// Remembers the event of a start at this time.
    pub(crate) fn saw(&self, key: &EventKey, started: UtcDateTime, now: UtcDateTime) {
        let Some(lasts) = self.lasts else { return };
        let mut generations = self.generations();
        if now - generations.newer.since >= lasts || generations.newer.starts.len() >= GENERATION {
            let newer = Generation { since: now, starts: HashMap::new() };
            generations.older = mem::replace(&mut generations.newer, newer);
        }
        let start = generations.newer.starts.entry(Fingerprint::of_instance(key));
        let start = start.or_insert(started);
        *start = started.max(*start);
    }

    /// Whether an instance was launched before events came to this process.
    pub(crate) fn began_after(&self, launched: UtcDateTime) -> bool {
        launched < self.began
    }

    /// Whether the event of a launch did not come although this process was listening. Of a launch
    /// that is older than what is remembered that is not known.
    pub(crate) fn missed(&self, key: &EventKey, launched: UtcDateTime) -> bool {
        let Generations { newer, older } = &*self.generations();
        let is_of_launch = |started: &UtcDateTime| *started + TOLERANCE >= launched;
        let instance = Fingerprint::of_instance(key);
        let seen = [newer, older].into_iter().filter_map(|it| it.starts.get(&instance));
        self.lasts.is_some()
            && launched >= older.since
            && !seen.copied().any(|it| is_of_launch(&it))
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mins: i64) -> UtcDateTime {
        UtcDateTime::UNIX_EPOCH + Duration::minutes(mins)
    }

    fn starts() -> Starts {
        Starts::new(Some(Duration::HOUR), at(0))
    }

    #[test]
    fn a_launch_whose_event_came_is_not_missed_and_the_next_one_is() {
        let (starts, key) = (starts(), EventKey::example("a"));
        assert!(starts.missed(&key, at(10)));
        starts.saw(&key, at(10), at(11));
        assert!(!starts.missed(&key, at(10)));
        assert!(!starts.missed(&key, at(11)));
        assert!(starts.missed(&key, at(15)));
    }

    #[test]
    fn a_late_repeat_of_an_older_start_hides_no_newer_one() {
        let (starts, key) = (starts(), EventKey::example("a"));
        starts.saw(&key, at(30), at(31));
        starts.saw(&key, at(10), at(32));
        assert!(!starts.missed(&key, at(30)));
    }

    #[test]
    fn nothing_is_known_of_what_started_before_the_process_or_is_forgotten() {
        let (starts, key) = (starts(), EventKey::example("a"));
        assert!(!starts.missed(&key, at(-1)));
        starts.saw(&key, at(10), at(10));
        starts.saw(&key, at(70), at(70));
        assert!(!starts.missed(&key, at(10)));
        starts.saw(&key, at(140), at(140));
        assert!(!starts.missed(&key, at(20)));
        assert!(starts.missed(&key, at(200)));
    }

    #[test]
    fn without_sweeps_nothing_is_remembered() {
        let (starts, key) = (Starts::new(None, at(0)), EventKey::example("a"));
        starts.saw(&key, at(10), at(10));
        assert!(!starts.missed(&key, at(100)));
        assert!(starts.generations().newer.starts.is_empty());
    }
}
