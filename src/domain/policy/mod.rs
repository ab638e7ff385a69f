//! Judges an instance by its tags.

use std::collections::BTreeSet;

/// The tag keys of one instance; their values do not matter.
pub type Tags = BTreeSet<String>;

/// What the policy says of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The exception tag is there.
    Allow,
    /// It is not.
    Violation,
}

impl Decision {
    /// The word that the log has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Violation => "violation",
        }
    }
}

/// The one rule: an instance without the exception tag must not run.
#[derive(Clone, Debug)]
pub struct Policy {
    exception_tag: String,
}

impl Policy {
    /// A policy that exempts whatever carries `exception_tag`, whatever its value.
    pub fn new(exception_tag: impl Into<String>) -> Self {
        Self { exception_tag: exception_tag.into() }
    }

    /// Judges by the tag keys, with case, as EC2 keeps them.
    pub fn decide(&self, tags: &Tags) -> Decision {
        if tags.contains(&self.exception_tag) { Decision::Allow } else { Decision::Violation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(keys: &[&str]) -> Decision {
        Policy::new("SPECIAL_EXCEPTION").decide(&keys.iter().map(ToString::to_string).collect())
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
