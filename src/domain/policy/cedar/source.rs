//! Texts of policies, and places in them.

use cedar_policy::Policy;

/// A text of policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it comes from: the path of a file, or `policy.inline`.
    pub name: String,
    /// The text, in Cedar.
    pub text: String,
}

impl Source {
    /// The place of a byte of the text, as `FILE:LINE:COLUMN`. Lines and columns count from 1, and
    /// columns in characters.
    pub(super) fn place(&self, offset: usize) -> String {
        let offset = self.text.floor_char_boundary(offset);
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.name)
    }
}

/// The byte of its source at which a policy begins, annotations included.
pub(super) fn offset(policy: &Policy) -> usize {
    policy.as_ref().loc().map_or(0, |loc| loc.span.offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let source = Source { name: "a.cedar".to_owned(), text: "ä\nöü x".to_owned() };
        for (offset, place) in [(0, "a.cedar:1:1"), (3, "a.cedar:2:1"), (8, "a.cedar:2:4")] {
            assert_eq!(source.place(offset), place);
        }
        assert_eq!(source.place(1000), "a.cedar:2:5");
    }
}
