//! The policy: an instance without the exception tag must not run.

pub mod facts;
pub mod verdict;

use facts::Tags;

/// What the policy says of an instance by its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The instance carries the exception tag.
    Allow,
    /// The instance does not carry it.
    Violation,
}

impl Decision {
    /// The word for it in the field `decision` of the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Violation => "violation",
        }
    }
}

/// The one rule, with the key of the exception tag.
#[derive(Clone, Debug)]
pub struct Policy {
    exception_tag: String,
}

impl Policy {
    /// A policy that exempts whatever carries `exception_tag`, whatever its value.
    pub fn new(exception_tag: impl Into<String>) -> Self {
        Self { exception_tag: exception_tag.into() }
    }

    /// Judges an instance by the keys of its tags; their values make no difference.
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
