//! Random policies: what they say, as a small tree that is written as Cedar for the daemon
//! ([`cedar`]) and evaluated by a few lines of its own ([`oracle`], [`verdict`]), which share no
//! code with the daemon. [`judgements`] are what the daemon may have decided, by what each of its
//! looks showed.

mod cedar;
mod dates;
pub(super) mod judgements;
mod oracle;
pub(super) mod verdict;

use std::time::Duration;

use ec2_policy_enforcer::domain::ids::{Account, Region};
use ec2_policy_enforcer::settings::Place;

pub(super) use dates::{BEGAN, DATES};

/// The account of the sandbox, which is in the unit `ours`. All others are in the unit `theirs`.
pub(super) const ACCOUNT: &str = "123456789012";
/// The tag that says which Auto Scaling group an instance is in.
pub(super) const GROUP: &str = "aws:autoscaling:groupName";

/// The policies of a world.
#[derive(Debug)]
pub(super) struct Policies {
    pub first: Set,
    /// The policies that are in effect after the reload, and when that is.
    pub later: Option<(Duration, Set)>,
}

/// The policies that are in effect together.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub builtin: bool,
    /// The grace of the built-in policy.
    pub grace: Option<Grace>,
    /// The strongest mode of all.
    pub cap: Mode,
    pub policies: Vec<Policy>,
}

/// A policy beside the built-in one. An instance violates it if the condition is met.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub id: &'static str,
    pub mode: Mode,
    pub grace: Option<Grace>,
    pub ignores_exception: bool,
    pub description: Option<&'static str>,
    pub condition: Condition,
}

/// How long an owner has before the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grace {
    pub period: Duration,
    /// When the policy began to bind, in seconds after the begin of the world.
    pub since: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    DryRun,
    Warn,
    Enforce,
}

#[derive(Debug, Clone)]
pub(super) enum Condition {
    Is(Test),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

#[derive(Debug, Clone)]
pub(super) enum Test {
    TypeIn(Vec<&'static str>),
    HasTag(&'static str),
    TagIs(&'static str, &'static str),
    /// The value of a tag matches a pattern with one `*` in it.
    TagLike(&'static str, &'static str),
    /// The tag has a date, which has passed.
    IsPast(&'static str),
    HasPublicAddress,
    KeyIs(&'static str),
    RequiresTokens,
    /// It was launched more than this ago, in seconds.
    RunsLongerThan(u64),
    InRegion(&'static str),
    InUnit(&'static str),
    /// It is in the Auto Scaling group of this name in this region.
    InGroup(&'static str, &'static str),
    TriggerIs(&'static str),
}

impl Policies {
    pub(super) fn sets(&self) -> impl Iterator<Item = &Set> {
        [&self.first].into_iter().chain(self.later.as_ref().map(|(_, set)| set))
    }

    /// Whether the exception tag spares from every policy.
    pub(super) fn all_honour_the_tag(&self) -> bool {
        self.sets().all(Set::honours_the_tag)
    }

    /// Whether any policy has a grace at some time.
    pub(super) fn give_grace(&self) -> bool {
        self.sets().any(|set| set.graces().next().is_some())
    }
}

impl Set {
    pub(super) fn honours_the_tag(&self) -> bool {
        self.policies.iter().all(|policy| !policy.ignores_exception)
    }

    /// The graces of all policies.
    pub(super) fn graces(&self) -> impl Iterator<Item = Grace> {
        let others = self.policies.iter().filter_map(|policy| policy.grace);
        self.grace.into_iter().chain(others)
    }
}

/// Where the daemons work.
pub(super) fn place(region: &str) -> Place {
    Place { account: Account::parse(ACCOUNT), default_region: Region::parse(region).unwrap() }
}
