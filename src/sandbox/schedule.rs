//! What will happen by itself, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::ec2::instance::State;

/// Something that happens to an instance at its time.
#[derive(Debug)]
pub(super) enum Due {
    /// Enters a state, unless it has left the one before in the meantime.
    State { id: String, from: State, to: State },
}

/// The things to come in order of time, and of planning where times are equal.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    dues: BTreeMap<(Instant, u64), Due>,
    planned: u64,
    /// Wakes those who wait for the next thing, when another may come first.
    pub(in crate::sandbox) replanned: Arc<Notify>,
}

impl Schedule {
    pub(super) fn plan(&mut self, at: Instant, due: Due) {
        self.planned += 1;
        self.dues.insert((at, self.planned), due);
        self.replanned.notify_waiters();
    }

    /// Takes the next thing whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, Due)> {
        let first = self.dues.first_entry()?;
        let at = first.key().0;
        (at <= now).then(|| (at, first.remove()))
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.dues.first_key_value().map(|((at, _), _)| *at)
    }
}
