//! What the simulation itself did, apart from the daemon.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2_policy_enforcer::daemon::Drained;
use ec2_policy_enforcer::sandbox::{FaultId, Message};
use tokio::time::Instant;

use super::plan::{Change, Noise};

#[derive(Debug, Default)]
pub(super) struct Diary {
    pub sent: Vec<Sent>,
    pub changes: Vec<Changed>,
    pub processes: Vec<Process>,
    pub faults: Vec<(FaultId, Nature)>,
    /// What went wrong before anything was checked.
    pub problems: Vec<String>,
}

/// What an injected fault is to the promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Nothing fails of it.
    Harmless,
    /// It may hold everybody up, for a while.
    Passing,
    /// It may hold up one instance.
    Poison,
}

#[derive(Debug)]
pub(super) struct Sent {
    pub at: Instant,
    pub message: String,
    pub what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Event(Copy),
    Noise(Noise),
}

/// One message of a sound event.
#[derive(Debug)]
pub(super) struct Copy {
    pub instance: usize,
    /// The same for all copies of an event.
    pub key: String,
    /// How old the daemon must take the event for at `since`.
    pub age: Duration,
    pub since: Instant,
}

impl Copy {
    pub(super) fn age_at(&self, at: Instant) -> Duration {
        self.age + at.saturating_duration_since(self.since)
    }
}

#[derive(Debug)]
pub(super) struct Changed {
    pub at: Instant,
    pub instance: usize,
    pub change: Change,
}

/// A process of the daemon.
#[derive(Debug)]
pub(super) struct Process {
    /// Signs its calls.
    pub name: String,
    pub began: Instant,
    pub signalled: Option<Instant>,
    /// It got a second signal.
    pub hurried: bool,
    pub ended: Option<Ended>,
}

#[derive(Debug)]
pub(super) struct Ended {
    pub at: Instant,
    /// Nothing if it was killed.
    pub drained: Option<Drained>,
    /// The queue at this moment.
    pub messages: Vec<Message>,
}

impl Diary {
    /// The messages that speak of these instances.
    pub(super) fn about(&self, instances: &BTreeSet<usize>) -> BTreeSet<&str> {
        let about = |sent: &&Sent| matches!(&sent.what, What::Event(copy) if instances.contains(&copy.instance));
        self.sent.iter().filter(about).map(|sent| sent.message.as_str()).collect()
    }

    /// The messages that stay, save that they may go to the dead-letter queue.
    pub(super) fn rejected(&self) -> BTreeSet<&str> {
        let rejected =
            |sent: &&Sent| matches!(sent.what, What::Noise(noise) if noise.is_rejected());
        self.sent.iter().filter(rejected).map(|sent| sent.message.as_str()).collect()
    }
}
