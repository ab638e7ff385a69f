//! What a sweep finds: how many instances stand how with the policies, and which are to be worked on.

use std::collections::BTreeMap;
use std::sync::Arc;

use time::UtcDateTime;
use tracing::warn;

use super::begun::Sweep;
use crate::domain::event::EventKey;
use crate::domain::ids::InstanceId;
use crate::domain::notice::told;
use crate::domain::outcome::{Outcome, Refusal};
use crate::domain::period::ahead;
use crate::domain::policy::Policies;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::facts::Facts;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::occasion::{Occasion, Trigger};
use crate::domain::policy::subject::Subject;
use crate::domain::policy::verdict::{Judgement, SecondLook, Verdict};
use crate::pipeline::nomination::Tells;
use crate::retry::delays;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// How many instances run, by how they stand with the policies.
    pub(super) counts: BTreeMap<Standing, usize>,
    /// Those that are to be worked on.
    pub(super) candidates: BTreeMap<InstanceId, Candidate>,
    /// How many violators started while this process was listening, and their event did not come.
    pub(super) missed: u64,
}

/// How an instance stands with the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It violates none, thanks to the exception tag.
    Exempt,
    /// It violates none.
    Compliant,
    /// It violates some, of which this is the strongest mode.
    Violates(Mode),
}

/// An instance that is to be worked on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// When it was launched.
    pub(super) launched: UtcDateTime,
    /// What its owner is told.
    pub(super) tells: Tells,
    /// Whether it is to be stopped, now or later.
    pub(super) is_to_be_stopped: bool,
}

/// What instances are judged by.
pub(super) struct Criteria<'sweep> {
    sweep: &'sweep Sweep,
    policies: &'sweep Arc<Policies>,
    occasion: Occasion,
}

/// An instance of a page.
struct Found<'page> {
    key: EventKey,
    facts: &'page Facts,
    launched: UtcDateTime,
    judgement: Judgement,
}

impl Findings {
    /// Adds an instance of a page. One of which EC2 does not say when it was launched is counted and
    /// left alone.
    pub(super) fn add(&mut self, instance: InstanceId, facts: &Facts, criteria: &Criteria<'_>) {
        let key = criteria.sweep.key(instance);
        let judgement = criteria.judge(&key, facts);
        *self.counts.entry(Standing::of(&judgement)).or_default() += 1;
        let Some(launched) = facts.launched() else { return };
        if criteria.now() - launched < delays::LEFT_TO_EVENTS {
            return;
        }
        let found = Found { key, facts, launched, judgement };
        if criteria.is_missed(&found) {
            let EventKey { account, region, instance, .. } = &found.key;
            warn!(instance.id = %instance, %account, %region, %launched, "no event came of the start of a violator");
            self.missed += 1;
        }
        if let Some(tells) = criteria.tells(&found) {
            let is_to_be_stopped =
                matches!(found.judgement.verdict, Verdict::Stop | Verdict::Plan(_));
            let candidate = Candidate { launched, tells, is_to_be_stopped };
            self.candidates.insert(found.key.instance, candidate);
        }
    }

    /// How many instances run.
    pub(super) fn running(&self) -> usize {
        self.counts.values().sum()
    }

    /// How many violate a policy, of whatever mode.
    pub(super) fn violators(&self) -> usize {
        let is_one = |standing: &Standing| matches!(standing, Standing::Violates(_));
        self.counts.iter().filter(|(standing, _)| is_one(standing)).map(|(_, count)| count).sum()
    }
}

impl<'sweep> Criteria<'sweep> {
    pub(super) fn new(sweep: &'sweep Sweep, policies: &'sweep Arc<Policies>) -> Self {
        let occasion = policies.occasion(sweep.period.until, Trigger::Sweep);
        Self { sweep, policies, occasion }
    }

    fn now(&self) -> UtcDateTime {
        self.sweep.period.until
    }

    /// Gives the verdict as far as one look tells it. Whoever is worked on is looked at twice more.
    fn judge(&self, key: &EventKey, facts: &Facts) -> Judgement {
        let look = SecondLook {
            is_own_host: self.sweep.target().own_host.as_ref() == Some(&key.instance),
            earliest_stop: Some(self.now()),
            ..SecondLook::alone(Subject::from(key), facts)
        };
        self.policies.verdict(look, &self.occasion)
    }

    /// What the owner is told of an instance that is to be worked on; `None` if it is not to be.
    fn tells(&self, found: &Found<'_>) -> Option<Tells> {
        let tells = self.by_time(found);
        match found.judgement.verdict {
            Verdict::Stop | Verdict::Plan(_) => {
                self.is_to_be_stopped(found, tells).then_some(tells)
            }
            // An owner who was told of a stop is told that there will be none.
            _ if self.was_told_by_sweep(found) => Some(tells),
            _ => self.expiry(found, tells).or_else(|| self.of_running(found, tells)),
        }
    }

    /// What the owner is told of an instance that goes on running.
    fn of_running(&self, found: &Found<'_>, tells: Tells) -> Option<Tells> {
        match found.judgement.verdict {
            Verdict::Warn => self.is_news(found, Outcome::Warned, tells),
            Verdict::Refuse(why) => self.is_news(found, Outcome::Refused(why), tells),
            Verdict::WouldStop(why) => self.is_news(found, Outcome::WouldStop(why), tells),
            _ => None,
        }
    }

    fn by_time(&self, found: &Found<'_>) -> Tells {
        let period = self.sweep.period;
        // An earlier process may not have swept since what was launched in its last minutes.
        let unheard_of = (period.until - period.after) * 2 + delays::LEFT_TO_EVENTS;
        let starts = &self.sweep.memory.starts;
        if period.has_hour_of(&found.key.instance) {
            Tells::Again
        } else if self.sweep.is_first && starts.began_after(found.launched + unheard_of) {
            Tells::Nothing
        } else {
            Tells::News
        }
    }

    /// Whether a violator of an enforced policy is to be worked on: not while a message waits for its
    /// stop, or its stop is not due; and one that EC2 does not let be stopped once a week.
    fn is_to_be_stopped(&self, found: &Found<'_>, tells: Tells) -> bool {
        let Found { key, launched, .. } = found;
        let plans = &self.sweep.evaluator.planner.plans;
        if let Some(stop) = plans.told(key, Some(*launched)) {
            let waits = !plans.is_left_to_sweeps(key);
            let due = if waits { stop + delays::LEFT_TO_EVENTS } else { stop };
            return self.now() >= due;
        }
        let is_refused = |why: &Refusal| self.knows(found, Outcome::Refused(*why));
        tells == Tells::Again || !Refusal::LASTING.iter().any(is_refused)
    }

    fn was_told_by_sweep(&self, found: &Found<'_>) -> bool {
        self.sweep.evaluator.planner.plans.were_told_by_sweep(&found.key, found.launched)
    }

    /// What is told of an instance that goes on running, unless that was told of this launch.
    fn is_news(&self, found: &Found<'_>, outcome: Outcome, tells: Tells) -> Option<Tells> {
        (tells == Tells::Again || !self.knows(found, outcome)).then_some(tells)
    }

    fn knows(&self, found: &Found<'_>, outcome: Outcome) -> bool {
        let sense = told::sense(outcome, Some(&found.judgement.decision));
        self.sweep.memory.launches.know(&found.key, Some(found.launched), &sense)
    }

    /// That the exemption of an instance ends soon, if its owner is to be told of that now, and only if
    /// it violates a policy then that goes further than those that it violates now.
    fn expiry(&self, found: &Found<'_>, tells: Tells) -> Option<Tells> {
        let end = found.judgement.decision.exemption.ends()?;
        let period = self.sweep.period;
        // The last sweep of an earlier process may be as long ago.
        let period = if self.sweep.is_first { period.and_before() } else { period };
        let now = period.warns_of(end);
        let in_own_hour = (tells == Tells::Again).then(|| ahead(end - self.now())).flatten();
        let soon = now.or(in_own_hour)?;
        let sense = told::expiry_sense(end, soon);
        if self.sweep.memory.launches.know(&found.key, Some(found.launched), &sense) {
            return None;
        }
        let then = self.policies.occasion(end, Trigger::Sweep);
        let look = SecondLook::alone(Subject::from(&found.key), found.facts);
        let mode = self.policies.verdict(look, &then).decision.mode();
        let goes_further = mode >= Some(Mode::Warn) && mode > found.judgement.decision.mode();
        goes_further.then_some(Tells::Expiry { end, ahead: soon })
    }

    /// Whether no event came of the start of a violator. Each launch is asked about by the first sweep
    /// that does not leave it to its event.
    fn is_missed(&self, found: &Found<'_>) -> bool {
        let is_violator = !found.judgement.decision.denials.is_empty();
        let is_new = self.sweep.unread.has(found.launched + delays::LEFT_TO_EVENTS);
        is_violator && is_new && self.sweep.memory.starts.missed(&found.key, found.launched)
    }
}

impl Standing {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::Exempt,
        Self::Compliant,
        Self::Violates(Mode::DryRun),
        Self::Violates(Mode::Warn),
        Self::Violates(Mode::Enforce),
    ];

    fn of(Judgement { decision, .. }: &Judgement) -> Self {
        let Decision { exemption, .. } = decision;
        match decision.mode() {
            Some(mode) => Self::Violates(mode),
            None if exemption.holds() => Self::Exempt,
            None => Self::Compliant,
        }
    }

    /// The word for it in metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::Compliant => "compliant",
            Self::Violates(mode) => mode.label(),
        }
    }
}
