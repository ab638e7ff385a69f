//! What is planned: transitions of instances, such as from `pending` to `running`, stops, and events
//! that are sent some time after their cause.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::ec2::instance::State;
use super::events::event::Event;

/// A planned change of an instance from one state to the next.
#[derive(Debug)]
pub(super) struct Transition {
    pub(super) account: String,
    pub(super) id: String,
    pub(super) from: State,
    pub(super) to: State,
}

/// What happens at a moment to come.
#[derive(Debug)]
pub(super) enum Planned {
    Transition(Transition),
    /// Somebody stops the instance of this account with this id.
    Stop {
        account: String,
        id: String,
    },
    /// An event is sent.
    Event(Box<Event>),
}

/// What is planned, in the order of the times. What has the same time is in the order in which it
/// was planned.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    plans: BTreeMap<(Instant, u64), Planned>,
    /// How many were ever planned.
    count: u64,
    /// Notified when something is planned that may come before everything else that is planned.
    pub(in crate::sandbox) replanned: Arc<Notify>,
}

impl Schedule {
    pub(super) fn plan(&mut self, at: Instant, planned: Planned) {
        self.count += 1;
        self.plans.insert((at, self.count), planned);
        self.replanned.notify_waiters();
    }

    /// Takes the next plan whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, Planned)> {
        let first = self.plans.first_entry()?;
        let at = first.key().0;
        (at <= now).then(|| (at, first.remove()))
    }

    /// The time of the next plan.
    pub(super) fn next(&self) -> Option<Instant> {
        self.plans.first_key_value().map(|((at, _), _)| *at)
    }
}
