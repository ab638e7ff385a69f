//! The decision about an instance: which policies it violates.

use std::sync::Arc;

use super::exemption::Exemption;
use super::mode::Mode;
use super::rule::Rule;

/// Which policies an instance violates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What the exception tag does for it.
    pub exemption: Exemption,
    /// The policies that it violates: the built-in one first, then the others by their ids.
    pub denials: Vec<Arc<Rule>>,
    /// The policies that could not be evaluated. They count as not violated.
    pub faults: Vec<Fault>,
}

/// A policy that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The id of the policy.
    pub policy: String,
    /// What Cedar says about it.
    pub error: String,
}

impl Decision {
    /// A decision that the instance violates nothing.
    pub fn allow() -> Self {
        Self::default()
    }

    /// A decision that the instance violates nothing yet, with what the exception tag does for it.
    pub fn exempted(exemption: Exemption) -> Self {
        Self { exemption, ..Self::allow() }
    }

    /// The decision that the built-in policy alone is violated, with which a repeat of an event is
    /// counted.
    pub fn plain() -> Self {
        let rule = Rule::builtin(Mode::Enforce, None);
        Self { denials: vec![Arc::new(rule)], ..Self::default() }
    }

    /// The strongest mode of the policies that are violated; `None` without any.
    pub fn mode(&self) -> Option<Mode> {
        self.denials.iter().map(|rule| rule.mode).max()
    }

    /// Whether the built-in policy alone is violated, and stops at once: then the notice has the
    /// text of the contract alone.
    pub fn is_plain(&self) -> bool {
        matches!(&*self.denials, [only] if only.is_plain())
    }

    /// The ids of the policies that are violated, with commas between them.
    pub fn policies(&self) -> String {
        self.denials.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>().join(",")
    }

    /// The word for the decision in the log field `decision`.
    pub fn label(&self) -> &'static str {
        if self.denials.is_empty() { "allow" } else { "violation" }
    }

    /// Keeps the policies that both decisions find violated, and what either could not decide. The other decision is by another
    /// reading of the tags.
    #[must_use]
    pub fn confirmed_by(mut self, other: &Self) -> Self {
        self.denials.retain(|rule| other.denials.contains(rule));
        let more = other.faults.iter().filter(|fault| !self.faults.contains(fault));
        let more: Vec<_> = more.cloned().collect();
        self.faults.extend(more);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violating(rules: &[Rule]) -> Decision {
        let denials = rules.iter().cloned().map(Arc::new).collect();
        Decision { denials, ..Decision::allow() }
    }

    #[test]
    fn decisions_read_as_the_logs_promise() {
        assert_eq!(Decision::allow().label(), "allow");
        assert_eq!(violating(&[Rule::builtin(Mode::Enforce, None)]).label(), "violation");
    }

    #[test]
    fn the_strongest_mode_counts() {
        let rules = [Mode::DryRun, Mode::Enforce, Mode::Warn].map(|mode| Rule::builtin(mode, None));
        assert_eq!(violating(&rules).mode(), Some(Mode::Enforce));
        assert_eq!(Decision::allow().mode(), None);
    }

    #[test]
    fn only_what_both_decisions_find_violated_is_confirmed() {
        let [warn, enforce] = [Mode::Warn, Mode::Enforce].map(|mode| Rule::builtin(mode, None));
        let [one, other] = [warn, enforce].map(|rule| violating(&[rule]));
        let both = Decision {
            denials: one.denials.iter().chain(&other.denials).cloned().collect(),
            ..Decision::allow()
        };
        assert_eq!(both.confirmed_by(&other), other);
        assert_eq!(one.confirmed_by(&Decision::allow()), Decision::allow());
    }
}
