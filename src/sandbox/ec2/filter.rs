//! The filters of `DescribeInstances` and `DescribeTags`, with wildcards and EC2's limit on values.

use std::collections::BTreeSet;

use crate::sandbox::answer::Failure;
use crate::sandbox::wire::request::Request;

/// EC2's limit on the values of all filters of a call together.
const MAX_VALUES: usize = 200;

/// One filter, which matches if any of its values does.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub(super) name: &'a str,
    /// The values with a wildcard.
    patterns: Vec<&'a str>,
    /// The others, which are up to 190 ids in each look of the daemon: found, not compared.
    literals: BTreeSet<&'a str>,
}

impl<'a> Filter<'a> {
    /// Reads the filters of a call, which must all match. Refuses unknown names and too many
    /// values.
    pub(super) fn all(request: &'a Request, names: &[&str]) -> Result<Vec<Self>, Failure> {
        let filters = request
            .parameters()
            .list("Filter")
            .map(|filter| Ok((filter.text("Name")?, filter.texts("Value"))));
        let filters = filters.collect::<Result<Vec<_>, Failure>>()?;
        let known = |name: &str| names.contains(&name) || name.starts_with("tag:");
        if let Some((name, _)) = filters.iter().find(|(name, _)| !known(name)) {
            let message = format!("The filter '{name}' is invalid");
            return Err(Failure::refused("InvalidParameterValue", message));
        }
        if filters.iter().map(|(_, values)| values.len()).sum::<usize>() > MAX_VALUES {
            let message = format!(
                "The maximum number of filter values specified on a single call is {MAX_VALUES}"
            );
            return Err(Failure::refused("FilterLimitExceeded", message));
        }
        Ok(filters.into_iter().map(|(name, values)| Self::of(name, &values)).collect())
    }

    fn of(name: &'a str, values: &[&'a str]) -> Self {
        let (patterns, literals): (Vec<_>, Vec<_>) =
            values.iter().partition(|value| value.contains(['*', '?', '\\']));
        Self { name, patterns, literals: literals.into_iter().collect() }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.literals.contains(text)
            || self.patterns.iter().any(|pattern| matches(pattern.as_bytes(), text.as_bytes()))
    }

    /// The values, if none of them has a wildcard. Then instances can be found by id instead of
    /// being compared one by one.
    pub(super) fn literals(&self) -> Option<&BTreeSet<&'a str>> {
        self.patterns.is_empty().then_some(&self.literals)
    }
}

/// Matches a text with a pattern in which `*` stands for any text, `?` for one byte, and `\` takes
/// the next byte literally.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry = None;
    loop {
        match (pattern.get(at), text.get(from)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((at + 1, from + 1));
                at += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => {
                (at, from) = (at + 1, from + 1);
                continue;
            }
            (Some(b'\\'), Some(byte)) if pattern.get(at + 1) == Some(byte) => {
                (at, from) = (at + 2, from + 1);
                continue;
            }
            (Some(one), Some(byte)) if one == byte && *one != b'\\' => {
                (at, from) = (at + 1, from + 1);
                continue;
            }
            _ => {}
        }
        // No match from here: let the last `*` stand for one byte more, and try again behind it.
        match retry {
            Some((star, next)) if next <= text.len() => {
                (at, from) = (star, next);
                retry = Some((star, next + 1));
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_matches_anything_and_a_question_mark_one_byte() {
        for (pattern, text) in [("i-*", "i-0a"), ("*", ""), ("a*b*c", "aXbYbc"), ("?b", "ab")] {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [("i-*", "x"), ("?", ""), ("a*b", "abc"), ("A", "a"), ("", "a")] {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn a_backslash_takes_a_wildcard_literally() {
        assert!(matches(br"a\*", b"a*"));
        assert!(!matches(br"a\*", b"ab"));
    }
}
