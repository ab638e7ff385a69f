//! What the simulation itself did in a world: messages that it sent, changes of instances,
//! processes that it started and ended, faults that it injected. The sandbox's ledger has the
//! calls.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2_policy_enforcer::daemon::Drained;
use ec2_policy_enforcer::sandbox::{FaultId, Message};
use tokio::time::Instant;

use super::plan::{Change, Noise};

#[derive(Debug, Default)]
pub(super) struct History {
    pub sent: Vec<Sent>,
    pub changes: Vec<Changed>,
    pub processes: Vec<Process>,
    pub faults: Vec<(FaultId, Nature)>,
    /// When people set and removed tags of the queue that hold stops.
    pub holds: Vec<HoldChange>,
    /// When the daemons got other policies.
    pub reloaded: Option<Instant>,
    /// What already went wrong while the world was played, such as a process that failed.
    pub problems: Vec<String>,
}

/// What an injected fault excuses in the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Nothing: no call fails because of it.
    Harmless,
    /// All messages may be held up for a while.
    Passing,
    /// The messages about instances in one region may be held up.
    Regional,
    /// The messages about one instance may be held up.
    Poison,
    /// The batch panics: its messages are retried.
    Panicking,
    /// No call fails because of it, but describing calls show what was some time before.
    Lagging,
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

/// One message of a valid event.
#[derive(Debug)]
pub(super) struct Copy {
    pub instance: usize,
    /// What the event goes by: its id, in a member account with the instance. Without one the
    /// message id, since each message is an event of its own then.
    pub key: String,
    /// How old the daemon must consider the event to be at `since`.
    pub age: Duration,
    pub since: Instant,
    /// Whether the event says when it happened.
    pub is_dated: bool,
    /// Whether the event is about a change of tags, and not about a start.
    pub is_of_tags: bool,
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

/// A tag that holds stops, as a person set or removed it.
#[derive(Debug)]
pub(super) struct HoldChange {
    pub at: Instant,
    pub key: String,
    pub is_set: bool,
}

/// A process of the daemon.
#[derive(Debug)]
pub(super) struct Process {
    /// The access key that signs its calls.
    pub name: String,
    pub began: Instant,
    pub signalled: Option<Instant>,
    /// Whether it got a second signal.
    pub hurried: bool,
    pub ended: Option<Ended>,
}

#[derive(Debug)]
pub(super) struct Ended {
    pub at: Instant,
    /// None if it was killed.
    pub drained: Option<Drained>,
    /// The messages in the queue at this moment.
    pub messages: Vec<Message>,
}

impl History {
    /// The messages of events of these instances.
    pub(super) fn about(&self, instances: &BTreeSet<usize>) -> BTreeSet<&str> {
        let about = |sent: &&Sent| matches!(&sent.what, What::Event(copy) if instances.contains(&copy.instance));
        self.sent.iter().filter(about).map(|sent| sent.message.as_str()).collect()
    }

    /// The messages that the daemon must reject: they stay in the queue or its dead-letter queue.
    pub(super) fn rejected(&self) -> BTreeSet<&str> {
        let rejected =
            |sent: &&Sent| matches!(sent.what, What::Noise(noise) if noise.is_rejected());
        self.sent.iter().filter(rejected).map(|sent| sent.message.as_str()).collect()
    }
}
