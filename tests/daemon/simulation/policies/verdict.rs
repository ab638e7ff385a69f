//! What is to be done about an instance, by two readings of its tags; and what its owner is told.

use super::oracle::{Denial, Subject, Tags, has_exception};
use super::{Mode, Set};
use crate::world::TAG;

/// What is to be done about an instance, and which policies it violates by both readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulation) struct Judgement {
    pub verdict: Verdict,
    pub denials: Vec<Denial>,
    /// When the instance was launched, in seconds after the begin of the world.
    pub launched: i64,
    /// Whether it was shown as running.
    pub runs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulation) enum Verdict {
    /// It is shutting down or terminated.
    Gone,
    Pending,
    /// It carries the exception tag, and violates no policy that ignores that.
    Exempt,
    /// It violates no policy, without the exception tag.
    Compliant,
    /// It violates policies of a dry run alone.
    WouldStop,
    Warn,
    Enforce,
    /// It violates a policy, or one of a stronger mode, by the second reading alone.
    Disagree,
}

impl Set {
    /// Judges an instance in this state. `subject` is what DescribeInstances showed, `first` the
    /// tags that DescribeTags did.
    pub(super) fn judge(&self, state: &str, subject: Subject<'_>, first: &Tags) -> Judgement {
        let is_tagged = has_exception(first) || has_exception(subject.tags);
        let (verdict, denials) = match state {
            _ if is_tagged && self.honours_the_tag() => (Verdict::Exempt, Vec::new()),
            "shutting-down" | "terminated" => (Verdict::Gone, Vec::new()),
            "pending" => (Verdict::Pending, Vec::new()),
            _ => {
                let second = self.denials(subject, is_tagged);
                let by_first = self.denials(Subject { tags: first, ..subject }, is_tagged);
                let both = second.iter().filter(|denial| by_first.contains(denial)).cloned();
                let both: Vec<_> = both.collect();
                let verdict = match strongest(&both) {
                    agreed if agreed != strongest(&second) => Verdict::Disagree,
                    None if is_tagged => Verdict::Exempt,
                    None => Verdict::Compliant,
                    Some(Mode::DryRun) => Verdict::WouldStop,
                    Some(Mode::Warn) => Verdict::Warn,
                    Some(Mode::Enforce) => Verdict::Enforce,
                };
                (verdict, both)
            }
        };
        let (launched, runs) = (subject.launched(), state == "running");
        Judgement { verdict, denials, launched, runs }
    }
}

fn strongest(denials: &[Denial]) -> Option<Mode> {
    denials.iter().map(|denial| denial.mode).max()
}

impl Judgement {
    /// Whether the message may be deleted without a notice.
    pub(in crate::simulation) fn is_silent(&self) -> bool {
        let quiet = [Verdict::Exempt, Verdict::Compliant, Verdict::WouldStop, Verdict::Gone];
        quiet.contains(&self.verdict)
    }

    /// Whether it does not depend on the tags that policies mention.
    pub(super) fn is_sure(&self) -> bool {
        matches!(self.verdict, Verdict::Exempt | Verdict::Gone | Verdict::Pending)
    }

    /// What a notice says behind its first line.
    pub(in crate::simulation) fn lines(&self) -> String {
        let told = self.told();
        let is_plain = |denial: &&Denial| denial.id == "builtin" && denial.grace.is_none();
        if told.iter().all(is_plain) && self.verdict == Verdict::Enforce {
            return String::new();
        }
        let policies = told.iter().map(|denial| match denial.description {
            Some(description) => format!("Policy {}: {description}", denial.id),
            None => format!("Policy {}", denial.id),
        });
        let mut lines: Vec<_> = policies.collect();
        let ignoring = told.iter().filter(|denial| denial.ignores_exception);
        let ignoring = ignoring.map(|denial| denial.id).collect::<Vec<_>>().join(", ");
        lines.push(match told.iter().filter(|denial| !denial.ignores_exception).count() {
            0 => format!("The tag {TAG} does not exempt from {ignoring}."),
            count if count == told.len() => {
                format!("To exempt the instance, give it the tag {TAG}.")
            }
            _ => format!("The tag {TAG} exempts from the others, but not from {ignoring}."),
        });
        format!("\n{}", lines.join("\n"))
    }

    /// The same, and nothing where the owner is told of no policy.
    pub(in crate::simulation) fn lines_if_told(&self) -> String {
        if self.told().is_empty() { String::new() } else { self.lines() }
    }

    /// The policies that a warning names in its first line.
    pub(in crate::simulation) fn named(&self) -> String {
        let ids: Vec<_> = self.told().iter().map(|denial| denial.id).collect();
        ids.join(", ")
    }

    /// When the instance may be stopped, in seconds after the begin of the world, if it started at
    /// this time by its event. None if it is not to be stopped, or at once.
    pub(in crate::simulation) fn deadline(&self, started: Option<i64>) -> Option<i64> {
        let enforced = self.denials.iter().filter(|denial| denial.mode == Mode::Enforce);
        let deadlines = enforced.map(|denial| {
            let grace = denial.grace?;
            let begins = self.launched.max(grace.since).max(started.unwrap_or(self.launched));
            Some(begins + i64::try_from(grace.period.as_secs()).unwrap())
        });
        deadlines.min().flatten().filter(|_| self.verdict == Verdict::Enforce)
    }

    /// Whether the instance is to be stopped, but not at once.
    pub(in crate::simulation) fn gives_grace(&self) -> bool {
        self.deadline(None).is_some()
    }

    /// The policies of which the owner is told.
    fn told(&self) -> Vec<&Denial> {
        self.denials.iter().filter(|denial| denial.mode > Mode::DryRun).collect()
    }
}
