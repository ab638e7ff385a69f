//! The transitions of instances that are planned, such as from `pending` to `running`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::ec2::instance::State;

/// A planned change of an instance from one state to the next.
#[derive(Debug)]
pub(super) struct Transition {
    pub(super) id: String,
    pub(super) from: State,
    pub(super) to: State,
}

/// The planned transitions in the order of their times. Those of the same time are in the order in
/// which they were planned.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    transitions: BTreeMap<(Instant, u64), Transition>,
    /// How many were ever planned.
    planned: u64,
    /// Notified when something is planned that may come before everything else that is planned.
    pub(in crate::sandbox) replanned: Arc<Notify>,
}

impl Schedule {
    pub(super) fn plan(&mut self, at: Instant, transition: Transition) {
        self.planned += 1;
        self.transitions.insert((at, self.planned), transition);
        self.replanned.notify_waiters();
    }

    /// Takes the next transition whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, Transition)> {
        let first = self.transitions.first_entry()?;
        let at = first.key().0;
        (at <= now).then(|| (at, first.remove()))
    }

    /// The time of the next transition.
    pub(super) fn next(&self) -> Option<Instant> {
        self.transitions.first_key_value().map(|((at, _), _)| *at)
    }
}
