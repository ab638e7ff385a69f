//! The verdict: what is to be done about an instance, decided from the second look at it.
//!
//! The first look (DescribeTags) only finds instances that are exempt. The second one
//! (DescribeInstances), at most 5 s before a stop, shows everything that the verdict depends on. It
//! is given here for everything that judges an instance.
//!
//! # Two readings of the tags
//! Either call has been seen to miss tags. So an instance is exempt if either shows the exception
//! tag, with a date to come if dates count, and it violates a policy only if it does by both
//! readings. A policy that is violated by the second reading alone is looked at again later.

use time::UtcDateTime;

use super::Policies;
use super::decision::Decision;
use super::exemption::Exemption;
use super::facts::{Facts, InstanceState, Tags};
use super::mode::Mode;
use super::occasion::{Occasion, Trigger};
use super::subject::Subject;
use crate::domain::outcome::Refusal;

/// What is known about one instance at the second look.
#[derive(Clone, Copy, Debug)]
pub struct SecondLook<'look> {
    /// Which instance it is.
    pub subject: Subject<'look>,
    /// The tags that DescribeTags showed, as far as policies mention them.
    pub first_tags: &'look Tags,
    /// What DescribeInstances said; `None` if it does not know the instance.
    pub facts: Option<&'look Facts>,
    /// Whether an earlier look, a minute ago or more, did not show the instance either.
    pub was_absent: bool,
    /// Whether the event is under 5 minutes old: EC2's answers may show what was before it, an
    /// instance that is stopped or not there yet.
    pub is_recent: bool,
    /// Whether the daemon itself runs on the instance.
    pub is_own_host: bool,
    /// When the instance started, as its event says; `None` if that is not known.
    pub started: Option<UtcDateTime>,
    /// The time of the stop that this process told the owner of this launch; `None` if it told
    /// none.
    pub told: Option<UtcDateTime>,
    /// The earliest time of a stop that the owner is told of now; `None` while the start is so
    /// recent that no stop is planned yet: tags may be missing which tools set after a launch.
    pub earliest_stop: Option<UtcDateTime>,
    /// Whether this process has sent a stop of the instance for this event.
    pub stop: StopSoFar,
}

impl<'look> SecondLook<'look> {
    /// What a single look at an instance shows that has run for long, and whose owner was told
    /// nothing. The daemon runs elsewhere.
    pub fn alone(subject: Subject<'look>, facts: &'look Facts) -> Self {
        Self {
            subject,
            first_tags: &facts.tags,
            facts: Some(facts),
            was_absent: false,
            is_recent: false,
            is_own_host: false,
            started: None,
            told: None,
            earliest_stop: None,
            stop: StopSoFar::NotSent,
        }
    }
}

/// Whether a stop was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopSoFar {
    /// None was.
    #[default]
    NotSent,
    /// One was, and EC2 has not answered it: it may have stopped the instance.
    Sent,
}

/// What is to be done about an instance, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What is to be done.
    pub verdict: Verdict,
    /// Which policies it violates, by both readings of its tags.
    pub decision: Decision,
}

/// What is to be done about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It violates an enforced policy and runs, or may run: stop it.
    Stop,
    /// The same, but its owner has until this time to answer: tell them, unless this process has,
    /// and look again then.
    Plan(UtcDateTime),
    /// It violates policies that only warn: tell the owner.
    Warn,
    /// It violates policies of a dry run alone: log it. It would be stopped, or refused for this
    /// reason.
    WouldStop(Option<Refusal>),
    /// It carries the exception tag, whose date, if that counts, is not past.
    Exempt,
    /// It violates no policy, and does not need the exception tag for that.
    Compliant,
    /// It violates an enforced policy, and is stopping or stopped already.
    AlreadyStopped,
    /// It does not run, and not because of the daemon: its tags have changed, a sweep found it, or it
    /// was stopped within the grace.
    NotRunning,
    /// It is terminated or shutting down, or EC2 does not know it.
    Gone,
    /// Nothing can be decided yet: look again later.
    NotYet(NotYet),
    /// It violates an enforced policy, but cannot or must not be stopped: do not try.
    Refuse(Refusal),
}

/// Why nothing can be decided about an instance yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// It is not running yet.
    Pending,
    /// EC2 does not know it yet.
    Unknown,
    /// EC2 shows it as stopped, which may be out of date, and it must not or cannot be stopped, or not
    /// yet.
    MayRun,
    /// It violates a policy by the tags that DescribeInstances shows, but not by those that
    /// DescribeTags showed.
    TagsDisagree,
    /// Its stop is to be planned, but it started so short a time ago that tags may be missing.
    TooYoung,
}

/// Two readings of the tags of an instance.
struct Readings<'look> {
    /// What DescribeInstances showed, tags included.
    facts: &'look Facts,
    /// The tags that DescribeTags showed.
    first_tags: &'look Tags,
    /// What the exception tag does for it, by the reading that exempts it longer.
    exemption: Exemption,
}

impl Policies {
    /// Gives the verdict on an instance.
    pub fn verdict(&self, look: SecondLook<'_>, occasion: &Occasion) -> Judgement {
        let Some(facts) = look.facts else {
            let is_gone = look.was_absent && !look.is_recent;
            return undecided(if is_gone {
                Verdict::Gone
            } else {
                Verdict::NotYet(NotYet::Unknown)
            });
        };
        // What DescribeTags does not show of managed instances is not missing.
        let first_tags = if facts.is_managed { &facts.tags } else { look.first_tags };
        let exemption = |tags| self.exemption(tags, occasion.now);
        let exemption = exemption(first_tags).max(exemption(&facts.tags));
        match facts.state {
            _ if self.exempts(&exemption) => {
                Judgement { verdict: Verdict::Exempt, decision: Decision::exempted(exemption) }
            }
            // No instance leaves this state, so that even an answer that lags is right.
            InstanceState::Terminated => undecided(Verdict::Gone),
            InstanceState::Pending | InstanceState::Stopped
                if occasion.trigger != Trigger::Start && look.stop == StopSoFar::NotSent =>
            {
                undecided(Verdict::NotRunning)
            }
            InstanceState::Pending => undecided(Verdict::NotYet(NotYet::Pending)),
            InstanceState::Running | InstanceState::Stopped => {
                self.judge(look, &Readings { facts, first_tags, exemption }, occasion)
            }
        }
    }

    /// Gives the verdict on an instance that runs or is stopped, by both readings of its tags.
    fn judge(
        &self,
        look: SecondLook<'_>,
        Readings { facts, first_tags, exemption }: &Readings<'_>,
        occasion: &Occasion,
    ) -> Judgement {
        let decide = |tags| self.decide_by((look.subject, facts, tags), exemption, occasion);
        let second = decide(&facts.tags);
        let decision = if self.shows_the_same(first_tags, &facts.tags) {
            second.clone()
        } else {
            second.clone().confirmed_by(&decide(first_tags))
        };
        // Whatever is confirmed, what would go further is waited for.
        let verdict = if second.mode() > decision.mode() {
            Verdict::NotYet(NotYet::TagsDisagree)
        } else {
            by_mode(&decision, (facts, look), occasion)
        };
        Judgement { verdict, decision }
    }

    /// Whether two readings show the same tags, as far as policies mention them.
    fn shows_the_same(&self, one: &Tags, other: &Tags) -> bool {
        !self.has_cedar() || self.reads.tags.iter().all(|key| one.get(key) == other.get(key))
    }
}

/// A judgement before which no policy was asked.
fn undecided(verdict: Verdict) -> Judgement {
    Judgement { verdict, decision: Decision::allow() }
}

/// The verdict by the strongest policy that is violated.
fn by_mode(
    decision: &Decision,
    (facts, look): (&Facts, SecondLook<'_>),
    occasion: &Occasion,
) -> Verdict {
    match decision.mode() {
        None if decision.exemption.holds() => Verdict::Exempt,
        None => Verdict::Compliant,
        Some(Mode::Warn) => Verdict::Warn,
        Some(Mode::DryRun) => match violator(facts, look) {
            Verdict::Refuse(refusal) => Verdict::WouldStop(Some(refusal)),
            Verdict::NotYet(why) => Verdict::NotYet(why),
            _ => Verdict::WouldStop(None),
        },
        Some(Mode::Enforce) => match violator(facts, look) {
            found
                if (found == Verdict::AlreadyStopped || is_surely_stopped(facts, look))
                    && was_stopped_before(decision, (facts, look), occasion.now) =>
            {
                Verdict::NotRunning
            }
            Verdict::Stop => stop_or_plan(decision, (facts, look), occasion.now),
            other => other,
        },
    }
}

/// The verdict on an instance that violates an enforced policy, but for the grace.
fn violator(facts: &Facts, look: SecondLook<'_>) -> Verdict {
    match facts.state {
        InstanceState::Stopped => stopped_violator(facts, look),
        _ => running_violator(facts, look),
    }
}

/// The verdict on an instance that runs and violates an enforced policy.
fn running_violator(facts: &Facts, look: SecondLook<'_>) -> Verdict {
    if look.is_own_host {
        Verdict::Refuse(Refusal::OwnHost)
    } else if facts.is_managed {
        Verdict::Refuse(Refusal::Managed)
    } else if facts.has_instance_store_root {
        Verdict::Refuse(Refusal::InstanceStore)
    } else {
        Verdict::Stop
    }
}

/// The verdict on a violator that EC2 shows as stopping or stopped.
///
/// An answer that lags shows the state before the start that the event tells of. So while the event
/// is recent, the instance is put into StopInstances, which changes nothing about one that is
/// stopped, and whose answer tells the state that it was in.
fn stopped_violator(facts: &Facts, look: SecondLook<'_>) -> Verdict {
    match running_violator(facts, look) {
        // The daemon runs on it, and so it runs.
        Verdict::Refuse(Refusal::OwnHost) => Verdict::Refuse(Refusal::OwnHost),
        _ if !look.is_recent => Verdict::AlreadyStopped,
        Verdict::Stop => Verdict::Stop,
        _ => Verdict::NotYet(NotYet::MayRun),
    }
}

/// Whether an instance is stopped now, or what its owner has until then. The policy with the
/// earliest deadline decides; one without a grace has none to wait for.
fn stop_or_plan(
    decision: &Decision,
    (facts, look): (&Facts, SecondLook<'_>),
    now: UtcDateTime,
) -> Verdict {
    match (deadline(decision, (facts, look), now), look.told) {
        (None, None) => Verdict::Stop,
        (deadline, Some(told)) => match deadline.map_or(told, |deadline| told.max(deadline)) {
            due if now >= due => Verdict::Stop,
            due => Verdict::Plan(due),
        },
        // EC2's answer may lag, or it does not run: nobody is told of a stop that is none.
        (Some(_), None) if facts.state == InstanceState::Stopped => Verdict::NotYet(NotYet::MayRun),
        (Some(deadline), None) => match look.earliest_stop {
            Some(earliest) => Verdict::Plan(deadline.max(earliest)),
            None => Verdict::NotYet(NotYet::TooYoung),
        },
    }
}

/// When the earliest of the graces ends; `None` if a policy without one is violated.
fn deadline(
    decision: &Decision,
    (facts, look): (&Facts, SecondLook<'_>),
    now: UtcDateTime,
) -> Option<UtcDateTime> {
    // No event is from the future; one that says so must not put the stop off for years.
    let started = look.started.filter(|started| *started <= now);
    let enforced = decision.denials.iter().filter(|rule| rule.mode == Mode::Enforce);
    let deadlines = enforced.map(|rule| {
        let grace = rule.grace?;
        // What ignores the exception tag was violated before the exemption ended.
        let ended = decision.exemption.ended().filter(|_| !rule.ignores_exception);
        let begins = started.max(facts.launched()).max(Some(grace.since)).max(ended)?;
        begins.checked_add(grace.period)
    });
    // A policy without a grace has no deadline, and none is the least.
    deadlines.min().flatten()
}

/// Whether that an instance is stopped is believed, however recent its event is: its owner was told of
/// a stop, so that it has been seen running, and EC2 says that it was stopped after it had started. An
/// answer that lags has the time of the stop before that.
fn is_surely_stopped(facts: &Facts, look: SecondLook<'_>) -> bool {
    let since = facts.stopped.zip(look.started);
    facts.state == InstanceState::Stopped
        && look.told.is_some()
        && since.is_some_and(|(stopped, started)| stopped >= started)
}

/// Whether an instance was stopped before the time of its planned stop, and so by somebody else.
fn was_stopped_before(
    decision: &Decision,
    (facts, look): (&Facts, SecondLook<'_>),
    now: UtcDateTime,
) -> bool {
    let Some(deadline) = deadline(decision, (facts, look), now) else { return false };
    let planned = look.told.map_or(deadline, |told| told.max(deadline));
    look.stop == StopSoFar::NotSent && facts.stopped.is_some_and(|at| at < planned)
}

impl Judgement {
    /// What the policies said about the instance; `None` where that was not decided.
    pub fn decided(self) -> Option<Decision> {
        match self.verdict {
            Verdict::Gone | Verdict::NotRunning | Verdict::NotYet(_) => None,
            _ => Some(self.decision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventKey;

    fn running(tags: &[(&str, &str)]) -> Facts {
        let tags: Tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Facts { tags, ..Facts::running() }
    }

    fn untagged() -> Facts {
        running(&[("Name", "web")])
    }

    /// What a look differs in from one by an event that is not recent.
    #[derive(Clone, Copy, Default)]
    struct Look {
        was_absent: bool,
        is_recent: bool,
        is_own_host: bool,
    }

    fn verdict_by(facts: Option<&Facts>, look: Look) -> Judgement {
        let policies = Policies::builtin("SPECIAL_EXCEPTION");
        let (event, tags) = (EventKey::example("a"), Tags::new());
        let Look { was_absent, is_recent, is_own_host } = look;
        let look = SecondLook {
            subject: Subject::from(&event),
            first_tags: &tags,
            facts,
            was_absent,
            is_recent,
            is_own_host,
            started: None,
            told: None,
            earliest_stop: Some(UtcDateTime::UNIX_EPOCH),
            stop: StopSoFar::NotSent,
        };
        policies.verdict(look, &policies.occasion(UtcDateTime::UNIX_EPOCH, Trigger::Start))
    }

    fn verdict(facts: &Facts) -> Verdict {
        verdict_by(Some(facts), Look::default()).verdict
    }

    fn verdict_of_recent(facts: &Facts) -> Verdict {
        verdict_by(Some(facts), Look { is_recent: true, ..Look::default() }).verdict
    }

    #[test]
    fn a_running_instance_without_the_tag_is_stopped_be_it_spot_or_not() {
        assert_eq!(verdict(&untagged()), Verdict::Stop);
        assert_eq!(verdict(&Facts { is_spot: true, ..untagged() }), Verdict::Stop);
    }

    #[test]
    fn the_tag_exempts_whatever_else_is_true() {
        let tagged = running(&[("SPECIAL_EXCEPTION", "")]);
        for state in [InstanceState::Pending, InstanceState::Stopped, InstanceState::Terminated] {
            assert_eq!(verdict(&Facts { state, ..tagged.clone() }), Verdict::Exempt);
        }
        assert_eq!(verdict(&Facts { is_managed: true, ..tagged }), Verdict::Exempt);
    }

    #[test]
    fn an_instance_that_does_not_run_is_not_stopped() {
        let rows = [
            (InstanceState::Pending, Verdict::NotYet(NotYet::Pending)),
            (InstanceState::Stopped, Verdict::AlreadyStopped),
            (InstanceState::Terminated, Verdict::Gone),
        ];
        for (state, expected) in rows {
            // Its kind makes no difference to an instance that does not run.
            let facts =
                Facts { state, is_managed: true, has_instance_store_root: true, ..untagged() };
            assert_eq!(verdict(&facts), expected);
        }
    }

    #[test]
    fn a_running_instance_that_must_not_or_cannot_be_stopped_is_refused() {
        let managed = Facts { is_managed: true, has_instance_store_root: true, ..untagged() };
        assert_eq!(verdict(&managed), Verdict::Refuse(Refusal::Managed));
        let stored = Facts { has_instance_store_root: true, ..untagged() };
        assert_eq!(verdict(&stored), Verdict::Refuse(Refusal::InstanceStore));
        let own = Look { is_recent: true, is_own_host: true, ..Look::default() };
        let own = verdict_by(Some(&managed), own).verdict;
        assert_eq!(own, Verdict::Refuse(Refusal::OwnHost));
    }

    #[test]
    fn that_an_instance_is_stopped_is_not_believed_while_its_event_is_recent() {
        let stopped = Facts { state: InstanceState::Stopped, ..untagged() };
        assert_eq!(verdict(&stopped), Verdict::AlreadyStopped);
        assert_eq!(verdict_of_recent(&stopped), Verdict::Stop);
        assert_eq!(verdict_of_recent(&Facts { is_spot: true, ..stopped }), Verdict::Stop);
    }

    #[test]
    fn what_cannot_be_stopped_and_may_run_is_looked_at_again() {
        let stopped = Facts { state: InstanceState::Stopped, ..untagged() };
        for facts in [
            Facts { is_managed: true, ..stopped.clone() },
            Facts { has_instance_store_root: true, ..stopped.clone() },
        ] {
            assert_eq!(verdict_of_recent(&facts), Verdict::NotYet(NotYet::MayRun));
        }
    }

    #[test]
    fn the_own_host_runs_whatever_ec2_shows() {
        let stopped = Facts { state: InstanceState::Stopped, ..untagged() };
        for is_recent in [true, false] {
            let own = Look { is_recent, is_own_host: true, ..Look::default() };
            let own = verdict_by(Some(&stopped), own).verdict;
            assert_eq!(own, Verdict::Refuse(Refusal::OwnHost));
        }
    }

    #[test]
    fn a_recent_event_changes_nothing_about_what_cannot_be_out_of_date() {
        let terminated = Facts { state: InstanceState::Terminated, ..untagged() };
        assert_eq!(verdict_of_recent(&terminated), Verdict::Gone);
        assert_eq!(verdict_of_recent(&untagged()), Verdict::Stop);
    }

    #[test]
    fn an_unknown_instance_is_gone_by_two_looks_at_an_event_that_is_not_recent() {
        let look = Look { was_absent: true, ..Look::default() };
        assert_eq!(verdict_by(None, look).verdict, Verdict::Gone);
        for early in [Look { was_absent: false, ..look }, Look { is_recent: true, ..look }] {
            let verdict = verdict_by(None, early).verdict;
            assert_eq!(verdict, Verdict::NotYet(NotYet::Unknown));
        }
    }

    #[test]
    fn only_what_ec2_shows_is_judged() {
        let label = |facts: Option<&Facts>| {
            let look = Look { was_absent: true, ..Look::default() };
            verdict_by(facts, look).decided().map(|decision| decision.label())
        };
        assert_eq!(label(Some(&untagged())), Some("violation"));
        assert_eq!(label(Some(&running(&[("SPECIAL_EXCEPTION", "")]))), Some("allow"));
        assert_eq!(label(None), None);
    }
}
