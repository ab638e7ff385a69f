//! The filters of `DescribeInstances` and `DescribeTags`, with wildcards and EC2's limit on values.

use crate::sandbox::answer::Failure;
use crate::sandbox::wire::request::Request;

/// EC2's limit on the values of all filters of a call together.
const MAX_VALUES: usize = 200;

/// One filter, which matches if any of its values does.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub(super) name: &'a str,
    values: Vec<&'a str>,
}

impl<'a> Filter<'a> {
    /// Reads the filters of a call, which must all match. Refuses unknown names and too many
    /// values.
    pub(super) fn all(request: &'a Request, names: &[&str]) -> Result<Vec<Self>, Failure> {
        let filters = request
            .parameters()
            .list("Filter")
            .map(|filter| Ok(Self { name: filter.text("Name")?, values: filter.texts("Value") }));
        let filters = filters.collect::<Result<Vec<Self>, Failure>>()?;
        let known = |name: &str| names.contains(&name) || name.starts_with("tag:");
        if let Some(filter) = filters.iter().find(|filter| !known(filter.name)) {
            let message = format!("The filter '{}' is invalid", filter.name);
            return Err(Failure::refused("InvalidParameterValue", message));
        }
        if filters.iter().map(|filter| filter.values.len()).sum::<usize>() > MAX_VALUES {
            let message = format!(
                "The maximum number of filter values specified on a single call is {MAX_VALUES}"
            );
            return Err(Failure::refused("FilterLimitExceeded", message));
        }
        Ok(filters)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.values.iter().any(|pattern| matches(pattern.as_bytes(), text.as_bytes()))
    }

    /// The values, if none of them has a wildcard. Then instances can be found by id instead of
    /// being compared one by one.
    pub(super) fn literals(&self) -> Option<&[&'a str]> {
        let literal = |value: &&str| !value.contains(['*', '?', '\\']);
        self.values.iter().all(literal).then_some(&self.values)
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
