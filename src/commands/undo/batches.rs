//! Calls for many instances in batches. EC2 refuses a whole call for one bad instance, so a batch is
//! split until the bad one stands alone, and only then is the error about it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::failure::{is_capacity, told};
use super::journal::{Deed, Journal};
use super::place::Reach;
use crate::aws::ec2::undo::Accepted;
use crate::aws::error::{AwsError, Class};
use crate::domain::ids::InstanceId;
use crate::retry::patience::Patience;
use crate::runtime::worklist::Worklist;

/// After so many instances that IAM denied one by one, while it allowed none, the role is at fault
/// and not the instances.
const DENIALS_THAT_SHOW: usize = 3;
/// How often a batch is tried that EC2 fails by itself, before its halves are.
const ATTEMPTS: usize = 4;

/// What is done to the instances.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action<'a> {
    /// They get this tag.
    Exempt { key: &'a str, value: &'a str },
    /// They are started.
    Start,
}

/// How it went for an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// What EC2 said instead.
    Failed(String),
    /// There was no answer, so that it may be done.
    Unanswered,
    /// EC2 says that its state has changed.
    StateChanged(String),
}

/// The calls of one kind in one place.
pub(super) struct Batches<'b> {
    pub reach: &'b Reach,
    pub action: Action<'b>,
    pub patience: &'b mut Patience,
    pub journal: &'b mut Journal,
    /// What is known of each instance so far.
    pub outcomes: BTreeMap<InstanceId, Outcome>,
    /// How many were done elsewhere before, and of how many in all, for the progress.
    pub progress: (usize, usize),
    pub denials: Denials,
}

/// How it went for all instances.
pub(super) struct Outcomes {
    pub of: BTreeMap<InstanceId, Outcome>,
    /// Why no call can succeed, if so.
    pub hopeless: Option<AwsError>,
}

/// What IAM has denied so far.
#[derive(Debug, Default)]
pub(super) struct Denials {
    /// Whether it has allowed anything.
    is_any_allowed: bool,
    /// How many single instances it has denied.
    singles: usize,
    /// Why nothing more is tried.
    hopeless: Option<AwsError>,
}

/// Instances for one call.
#[derive(Clone, Debug)]
struct Batch {
    ids: Vec<InstanceId>,
    attempts: usize,
}

impl Batches<'_> {
    /// Makes the calls, with up to `most` instances each.
    ///
    /// # Errors
    /// What was done cannot be recorded, so that nothing more is.
    pub(super) async fn run(mut self, ids: &[InstanceId], most: usize) -> anyhow::Result<Outcomes> {
        let batches = ids.chunks(most).map(|ids| Batch { ids: ids.to_vec(), attempts: 0 });
        let mut worklist = Worklist::new(batches.collect::<Vec<_>>());
        while let Some(batch) = worklist.next() {
            if let Some(error) = self.denials.hopeless.clone() {
                self.fail(batch, &error)?;
                continue;
            }
            let asked: BTreeSet<_> = batch.ids.iter().cloned().collect();
            match self.action.call(self.reach, &asked).await {
                Ok(accepted) => self.accepted(&asked, &accepted)?,
                Err(error) => self.refused(batch, &error, &mut worklist).await?,
            }
        }
        Ok(Outcomes { of: self.outcomes, hopeless: self.denials.hopeless })
    }

    fn accepted(
        &mut self,
        asked: &BTreeSet<InstanceId>,
        accepted: &Accepted,
    ) -> anyhow::Result<()> {
        self.patience.succeeded();
        self.denials.is_any_allowed = true;
        for id in asked {
            if !accepted.ids.contains(id) {
                let unmentioned = "EC2's answer does not mention it".to_owned();
                self.outcomes.insert(id.clone(), Outcome::StateChanged(unmentioned));
                continue;
            }
            self.record(id, accepted.request_id.as_deref(), Ok(self.action.done()))?;
            self.outcomes.insert(id.clone(), Outcome::Done);
        }
        let done = self.outcomes.values().filter(|outcome| **outcome == Outcome::Done).count();
        self.journal.progress(self.action.done(), self.progress.0 + done, self.progress.1);
        Ok(())
    }

    async fn refused(
        &mut self,
        mut batch: Batch,
        error: &AwsError,
        worklist: &mut Worklist<Batch>,
    ) -> anyhow::Result<()> {
        batch.attempts += 1;
        match after(error, batch.ids.len(), batch.attempts) {
            Next::Again if self.patience.again_after(error).await => worklist.push_tried(batch),
            Next::Again | Next::GiveUp => {
                self.denials.hopeless = Some(error.clone());
                self.fail(batch, error)?;
            }
            Next::LookAgain => {
                let is_unanswered = error.class == Class::Unknown;
                if is_unanswered && !self.patience.again_after(error).await {
                    self.denials.hopeless = Some(error.clone());
                }
                let outcome = if is_unanswered {
                    Outcome::Unanswered
                } else {
                    Outcome::StateChanged(error.to_string())
                };
                self.outcomes.extend(batch.ids.into_iter().map(|id| (id, outcome.clone())));
            }
            Next::Split if error.class == Class::Denied && !self.denials.is_any_allowed => {
                let [singles, rest] = batch.singles_first();
                worklist.push_new(rest.into_iter().chain(singles));
            }
            Next::Split => worklist.push_parts(batch.split(&error.message)),
            Next::Fail => {
                self.count_denial(error);
                self.fail(batch, error)?;
            }
        }
        Ok(())
    }

    fn count_denial(&mut self, error: &AwsError) {
        if error.class == Class::Denied && !self.denials.is_any_allowed {
            self.denials.singles += 1;
            if self.denials.singles >= DENIALS_THAT_SHOW {
                self.denials.hopeless = Some(error.clone());
            }
        }
    }

    fn fail(&mut self, batch: Batch, error: &AwsError) -> anyhow::Result<()> {
        for id in batch.ids {
            self.record(&id, None, Err(error.to_string()))?;
            self.outcomes.insert(id, Outcome::Failed(told(error)));
        }
        Ok(())
    }

    fn record(
        &mut self,
        id: &InstanceId,
        request_id: Option<&str>,
        result: Result<&'static str, String>,
    ) -> anyhow::Result<()> {
        let mut details = self.action.details();
        details["request_id"] = request_id.into();
        let Reach { account, region, .. } = self.reach;
        let kind = self.action.kind();
        self.journal.record(&Deed { kind, account, region, instance: id, details, result })
    }
}

impl Action<'_> {
    async fn call(self, reach: &Reach, ids: &BTreeSet<InstanceId>) -> Result<Accepted, AwsError> {
        match self {
            Self::Exempt { key, value } => reach.restarts.tag(ids, (key, value)).await,
            Self::Start => {
                reach.starts.take(ids.len()).await;
                let answer = reach.restarts.start(ids).await;
                if answer.as_ref().is_err_and(|error| error.class == Class::Throttled) {
                    reach.starts.throttled();
                }
                answer
            }
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Exempt { .. } => "tag",
            Self::Start => "start",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Exempt { .. } => "tagged",
            Self::Start => "started",
        }
    }

    fn details(self) -> Value {
        match self {
            Self::Exempt { key, value } => json!({ "key": key, "value": value }),
            Self::Start => json!({}),
        }
    }
}

/// What is done about a batch that EC2 refused.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The same call, after a while.
    Again,
    /// Look what has become of the instances.
    LookAgain,
    /// Its parts are tried.
    Split,
    /// The error is about its only instance.
    Fail,
    /// No call can succeed.
    GiveUp,
}

fn after(error: &AwsError, instances: usize, attempts: usize) -> Next {
    match error.class {
        Class::Throttled => Next::Again,
        Class::Credentials | Class::Gone => Next::GiveUp,
        Class::Unknown => Next::LookAgain,
        Class::Transient if !is_capacity(error) && attempts < ATTEMPTS => Next::Again,
        _ if instances > 1 => Next::Split,
        Class::IncorrectState => Next::LookAgain,
        _ => Next::Fail,
    }
}

impl Batch {
    fn of(ids: Vec<InstanceId>) -> Option<Self> {
        (!ids.is_empty()).then_some(Self { ids, attempts: 0 })
    }

    /// The instances that an error names, and the others; halves where it names none or all.
    fn split(self, message: &str) -> Vec<Self> {
        let is_named = |id: &InstanceId| message.contains(id.as_str());
        let (named, others): (Vec<_>, Vec<_>) = self.ids.iter().cloned().partition(is_named);
        let parts = if named.is_empty() || others.is_empty() {
            let (first, second) = self.ids.split_at(self.ids.len() / 2);
            [first.to_vec(), second.to_vec()]
        } else {
            [named, others]
        };
        parts.into_iter().filter_map(Self::of).collect()
    }

    /// The first instances one by one, and the rest.
    fn singles_first(self) -> [Vec<Self>; 2] {
        let (first, rest) = self.ids.split_at(self.ids.len().min(DENIALS_THAT_SHOW));
        let singles = first.iter().rev().filter_map(|id| Self::of(vec![id.clone()]));
        [singles.collect(), Self::of(rest.to_vec()).into_iter().collect()]
    }
}
