//! The plan of a world: what there is in it, and what happens in it and when.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Options, Rule};

/// Everything that is drawn from a seed.
#[derive(Debug)]
pub(super) struct Plan {
    pub seed: u64,
    pub options: Options,
    /// By their environment names.
    pub settings: Vec<(&'static str, String)>,
    pub visibility: Duration,
    pub drain_timeout: Duration,
    pub denial_timeout: Duration,
    /// The most messages that the settings allow a process to hold.
    pub room: usize,
    /// How much of EC2's buckets a process may use.
    pub share_percent: u32,
    pub fifo: bool,
    pub instances: Vec<Instance>,
    pub events: Vec<Event>,
    pub story: Vec<(Duration, Happening)>,
    /// How long the processes go on when all is settled.
    pub lingers: Duration,
}

#[derive(Debug)]
pub(super) struct Instance {
    pub id: String,
    pub region: &'static str,
    pub kind: Kind,
    pub exempt: bool,
    /// Other tags, which sort before and after the exception tag.
    pub tags: Vec<&'static str>,
    /// The describing call that leaves its tags out.
    pub unseen_by: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    PersistentSpot,
    OneTimeSpot,
    InstanceStore,
    Protected,
    Managed,
    /// Events speak of it, but it never was.
    Unknown,
}

/// A sound `running` event, of which there may be several copies.
#[derive(Debug)]
pub(super) struct Event {
    pub instance: usize,
    pub id: String,
    pub form: Form,
    /// How long ago it happened when it is first sent.
    pub age: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    UpperCase,
    InSnsEnvelope,
    /// Every copy is an event of its own.
    WithoutId,
    WithoutTime,
    FromTheFuture,
}

/// What the daemon must delete without work, or must not touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noise {
    OtherSource,
    OtherState,
    NotJson,
    KeyTwice,
    ForeignAccount,
    ForeignRegion,
    Wildcard,
    NoState,
}

impl Noise {
    pub(super) fn is_rejected(self) -> bool {
        !matches!(self, Self::OtherSource | Self::OtherState)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Launch,
    Tag,
    Untag,
    Stop,
    Start,
    Terminate,
    Forget,
}

#[derive(Debug)]
pub(super) enum Happening {
    Change(Change, usize),
    /// A copy of an event comes to the queue.
    Send(usize),
    Noise(Noise, usize),
    /// The fault of this number begins.
    Strike(usize, Trouble),
    /// It ends.
    Lift(usize),
    /// A process starts.
    Begin,
    /// The oldest process gets a signal.
    Drain,
    /// It gets two.
    Hurry,
    /// It dies.
    Kill,
}

#[derive(Debug)]
pub(super) enum Trouble {
    Fault(Rule),
    /// Every call of an operation takes longer.
    Slow {
        operation: &'static str,
        by: Duration,
    },
    /// Every call of an operation fails that names the instance, until the story lifts it, or for
    /// good.
    Poison {
        operation: &'static str,
        instance: usize,
        fault: Fault,
    },
    /// An instance changes just before or after a call that names it has its effect.
    Race {
        operation: &'static str,
        instance: usize,
        change: Change,
        before: bool,
    },
}

impl Plan {
    /// The instances that are poisoned at some time.
    pub(super) fn poisoned(&self) -> BTreeSet<usize> {
        self.poisons().map(|(_, instance)| instance).collect()
    }

    /// The instances that are poisoned for good: what is known of them may never be settled.
    pub(super) fn lost_causes(&self) -> BTreeSet<usize> {
        let is_lifted = |strike: usize| {
            let mut story = self.story.iter();
            story.any(|(_, one)| matches!(one, Happening::Lift(number) if *number == strike))
        };
        self.poisons().filter(|(strike, _)| !is_lifted(*strike)).map(|(_, one)| one).collect()
    }

    /// The number of each poison, and the instance.
    fn poisons(&self) -> impl Iterator<Item = (usize, usize)> {
        self.story.iter().filter_map(|(_, happening)| match happening {
            Happening::Strike(number, Trouble::Poison { instance, .. }) => {
                Some((*number, *instance))
            }
            _ => None,
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.options)?;
        writeln!(f, "settings {:?}, FIFO topic: {}", self.settings, self.fifo)?;
        for (number, instance) in self.instances.iter().enumerate() {
            writeln!(f, "instance {number}: {instance:?}")?;
        }
        for (number, event) in self.events.iter().enumerate() {
            writeln!(f, "event {number}: {event:?}")?;
        }
        for (at, happening) in &self.story {
            writeln!(f, "{:9.3} {happening:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
