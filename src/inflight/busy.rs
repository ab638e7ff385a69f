//! Which instances are being worked on, so that an event and a sweep do not act on one at the same
//! time: both would stop it, and its owner would be told twice.

use std::collections::{HashMap, HashSet};

use super::fingerprint::Fingerprint;

/// The instances that are being worked on.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// How many events of each are.
    by_events: HashMap<Fingerprint, usize>,
    by_sweeps: HashSet<Fingerprint>,
}

/// Who works on an instance.
#[derive(Clone, Copy, Debug)]
pub(super) enum Worker {
    Event(Fingerprint),
    Sweep(Fingerprint),
}

impl Busy {
    /// Whether a sweep works on an instance.
    pub(super) fn is_swept(&self, instance: &Fingerprint) -> bool {
        self.by_sweeps.contains(instance)
    }

    /// Begins the work; says whether it may: a sweep leaves an instance that anybody works on alone.
    pub(super) fn begin(&mut self, worker: Worker) -> bool {
        match worker {
            Worker::Event(instance) => {
                *self.by_events.entry(instance).or_default() += 1;
                true
            }
            Worker::Sweep(instance) => {
                !self.by_events.contains_key(&instance) && self.by_sweeps.insert(instance)
            }
        }
    }

    /// Ends the work.
    pub(super) fn end(&mut self, worker: Worker) {
        match worker {
            Worker::Sweep(instance) => {
                self.by_sweeps.remove(&instance);
            }
            Worker::Event(instance) => {
                let Some(count) = self.by_events.get_mut(&instance) else { return };
                *count -= 1;
                if *count == 0 {
                    self.by_events.remove(&instance);
                }
            }
        }
    }
}
