//! The plan of a world: its instances, events and settings, and what happens when.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Options, Rule};

use super::budget::Budget;
use super::members::{AccountChange, Members};
use super::policies::{Policies, Set};

/// A world before it is played: everything that is drawn from its seed.
#[derive(Debug)]
pub(super) struct Plan {
    pub seed: u64,
    pub options: Options,
    /// The daemon's settings, by their environment names.
    pub settings: Vec<(&'static str, String)>,
    pub visibility: Duration,
    pub drain_timeout: Duration,
    pub denial_timeout: Duration,
    /// The setting `sizes.inbox` of the processes.
    pub inbox: usize,
    /// The most messages that the settings let a process hold.
    pub room: usize,
    /// How much of EC2's token buckets a process may use.
    pub share_percent: u32,
    pub fifo: bool,
    /// Whether somebody is subscribed to the topic by e-mail.
    pub mails: bool,
    /// How far the clocks of the processes' hosts are ahead of AWS's; below 0, behind it.
    pub clock_ahead_secs: i64,
    pub instances: Vec<Instance>,
    pub events: Vec<Event>,
    /// Changes of tags that are reported to the daemon.
    pub tag_events: Vec<TagEvent>,
    /// Whether nothing fails, and owners exempt instances while their stops are planned.
    pub lets_owners_answer: bool,
    /// `None` for the built-in policy alone, as by default.
    pub policies: Option<Policies>,
    /// Accounts beside the daemon's own.
    pub members: Option<Members>,
    /// How many stops may begin in a window; `None` for any number.
    pub budget: Option<Budget>,
    pub story: Vec<(Duration, Happening)>,
    /// How long the processes go on when all messages are settled.
    pub lingers: Duration,
}

#[derive(Debug)]
pub(super) struct Instance {
    /// What it goes by in the record (see [`super::names`]): its id, in a member account after the
    /// account and the region.
    pub id: String,
    pub account: String,
    pub region: &'static str,
    pub kind: Kind,
    pub exempt: bool,
    /// Other tags, which sort before and after the exception tag.
    pub tags: Vec<&'static str>,
    /// The operation whose answers leave its tags out.
    pub unseen_by: Option<&'static str>,
    /// What policies tell instances by; `None` in a world without policies.
    pub traits: Option<Traits>,
}

#[derive(Debug)]
pub(super) struct Traits {
    pub instance_type: &'static str,
    pub tags: Vec<(&'static str, &'static str)>,
    pub has_public_address: bool,
    pub key: Option<&'static str>,
    pub metadata: Metadata,
    /// How long ago it was launched.
    pub age: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metadata {
    RequiresTokens,
    TakesAnyCall,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    PersistentSpot,
    OneTimeSpot,
    InstanceStore,
    Protected,
    Managed,
    /// Events name it, but it is never launched.
    Unknown,
}

/// A valid `running` event, which may be sent in several messages.
#[derive(Debug)]
pub(super) struct Event {
    pub instance: usize,
    pub id: String,
    pub form: Form,
    /// How long ago it happened when it is first sent.
    pub age: Duration,
}

/// An event that says that a tag of an instance changed.
#[derive(Debug)]
pub(super) struct TagEvent {
    pub instance: usize,
    pub id: String,
    /// The key of the tag.
    pub key: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    UpperCase,
    InSnsEnvelope,
    /// Without an event id. Then each message is an event of its own for the daemon.
    WithoutId,
    WithoutTime,
    FromTheFuture,
}

/// A message that the daemon must ignore (and delete) or reject (and leave in the queue).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noise {
    OtherSource,
    OtherState,
    NotJson,
    KeyTwice,
    ForeignAccount,
    /// It is of an account that is there, but does not count.
    UnlistedAccount,
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
    /// Adds the exception tag.
    Tag,
    /// Removes the exception tag.
    Untag,
    /// Sets another tag.
    Set(&'static str, &'static str),
    /// Removes another tag.
    Unset(&'static str),
    Stop,
    Start,
    Terminate,
    Forget,
}

#[derive(Debug)]
pub(super) enum Happening {
    Change(Change, usize),
    /// A message of an event is sent to the queue.
    Send(usize),
    /// A message of an event of a change of tags is sent to the queue.
    SendTags(usize),
    Noise(Noise, usize),
    /// Something becomes of the role or of a region of a member account.
    Account(AccountChange, String),
    /// The fault of this number begins.
    Strike(usize, Trouble),
    /// The fault of this number ends.
    Lift(usize),
    /// The daemons read their policies again.
    Reload,
    /// A person sets a tag of the queue that holds stops.
    Hold(String),
    /// A person removes this tag.
    Unhold(String),
    /// A person removes all tags that hold stops.
    Resume,
    /// A process of the daemon starts.
    Begin,
    /// The oldest process gets a signal.
    Drain,
    /// The oldest process gets two signals.
    Hurry,
    /// The oldest process is killed.
    Kill,
}

#[derive(Debug)]
pub(super) enum Trouble {
    Fault(Rule),
    /// EC2 refuses the credentials in a region.
    RefusedRegion(&'static str),
    /// Batches panic at a few calls.
    Panic(Rule),
    /// Every call of an operation takes longer.
    Slow {
        operation: &'static str,
        by: Duration,
    },
    /// Every call of an operation that names the instance fails, until the plan lifts the fault or
    /// to the end.
    Poison {
        operation: &'static str,
        instance: usize,
        fault: Fault,
    },
    /// A few calls of an operation that describes show what was this long before.
    Lag {
        operation: &'static str,
        by: Duration,
        times: usize,
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
    /// How long a message may wait for the stop of its instance, and be told of again: every process
    /// has to tell the owner itself. Zero in a world without graces.
    pub(super) fn longest_wait(&self) -> Duration {
        const TOLD_AGAIN: Duration = Duration::from_mins(15);
        let graces = self.policies.iter().flat_map(Policies::sets).flat_map(Set::graces);
        let ends = graces.map(|grace| {
            let before = Duration::from_secs(grace.since.max(0).unsigned_abs());
            grace.period + before
        });
        let processes = self.story.iter().filter(|(_, one)| matches!(one, Happening::Begin));
        let again = TOLD_AGAIN * u32::try_from(processes.count() + 1).unwrap();
        ends.max().map_or(Duration::ZERO, |longest| longest + again)
    }

    /// The instances that are poisoned at some time.
    pub(super) fn poisoned(&self) -> BTreeSet<usize> {
        self.poisons().map(|(_, instance)| instance).collect()
    }

    /// The instances that are poisoned to the end. Their messages may never be settled.
    pub(super) fn poisoned_to_the_end(&self) -> BTreeSet<usize> {
        let is_lifted = |strike: usize| {
            let mut story = self.story.iter();
            story.any(|(_, one)| matches!(one, Happening::Lift(number) if *number == strike))
        };
        self.poisons().filter(|(strike, _)| !is_lifted(*strike)).map(|(_, one)| one).collect()
    }

    /// The instances in a region that refuses the credentials at some time.
    pub(super) fn refused(&self) -> BTreeSet<usize> {
        let regions = self.story.iter().filter_map(|(_, happening)| match happening {
            Happening::Strike(_, Trouble::RefusedRegion(region)) => Some(*region),
            _ => None,
        });
        let regions: BTreeSet<_> = regions.collect();
        let refused = |(number, instance): (usize, &Instance)| {
            regions.contains(instance.region).then_some(number)
        };
        self.instances.iter().enumerate().filter_map(refused).collect()
    }

    /// The number of each poison fault, and its instance.
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
        writeln!(f, "{:?}", self.budget)?;
        writeln!(f, "{:?}", self.members)?;
        for set in self.policies.iter().flat_map(Policies::sets) {
            for (key, value) in set.settings() {
                writeln!(f, "{key}={value}")?;
            }
        }
        for (number, instance) in self.instances.iter().enumerate() {
            writeln!(f, "instance {number}: {instance:?}")?;
        }
        for (number, event) in self.events.iter().enumerate() {
            writeln!(f, "event {number}: {event:?}")?;
        }
        for (number, event) in self.tag_events.iter().enumerate() {
            writeln!(f, "tag event {number}: {event:?}")?;
        }
        for (at, happening) in &self.story {
            writeln!(f, "{:9.3} {happening:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
