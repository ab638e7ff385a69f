//! The policy: an instance without the exception tag must not run.
//!
//! - here: the rule, which looks at tags only;
//! - [`facts`]: what EC2 says about an instance;
//! - [`verdict`]: what is to be done about an instance, by the rule and the facts.

pub mod facts;
pub mod verdict;

use facts::Tags;

/// What the rule says about an instance, by its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The instance carries the exception tag.
    Allow,
    /// The instance does not carry it.
    Violation,
}

impl Decision {
    /// The word for the decision in the log field `decision`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Violation => "violation",
        }
    }
}

/// The rule.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The key of the exception tag.
    exception_tag: String,
}

impl Policy {
    /// A policy that exempts every instance with a tag of this key. The tag's value makes no
    /// difference.
    pub fn new(exception_tag: impl Into<String>) -> Self {
        Self { exception_tag: exception_tag.into() }
    }

    /// Decides whether an instance with these tags violates the policy.
    pub fn decide(&self, tags: &Tags) -> Decision {
        if tags.contains_key(&self.exception_tag) { Decision::Allow } else { Decision::Violation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(keys: &[&str]) -> Decision {
        let tags = keys.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        Policy::new("SPECIAL_EXCEPTION").decide(&tags)
    }

    #[test]
    fn the_exception_tag_exempts_among_others() {
        assert_eq!(decide(&["Name", "SPECIAL_EXCEPTION"]), Decision::Allow);
    }

    #[test]
    fn no_tags_at_all_are_a_violation() {
        assert_eq!(decide(&[]), Decision::Violation);
    }

    #[test]
    fn other_keys_and_other_cases_are_a_violation() {
        assert_eq!(
            decide(&["Name", "special_exception", "SPECIAL_EXCEPTION2"]),
            Decision::Violation
        );
    }

    #[test]
    fn decisions_read_as_the_logs_promise() {
        assert_eq!(
            (Decision::Allow.as_str(), Decision::Violation.as_str()),
            ("allow", "violation")
        );
    }
}
