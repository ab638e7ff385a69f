//! Texts with wildcards, as policies write them.

/// Whether a text fits a pattern: `*` stands for any characters, `?` for one.
pub(in crate::commands::check) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // Where to go on if what follows the last `*` does not fit: that then takes one character more.
    let (mut at, mut of, mut retry) = (0, 0, None);
    while of < text.len() {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at, of));
                at += 1;
            }
            Some(character) if *character == '?' || *character == text[of] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((star, taken)) = retry else { return false };
                retry = Some((star, taken + 1));
                (at, of) = (star + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|character| *character == '*')
}

/// Whether an ARN fits a pattern. Each of the six parts must fit by itself, so that a `*` does not
/// reach over a colon; the last part may hold some.
pub(super) fn arn_fits(pattern: &str, arn: &str) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) =
        (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern == "*"
        || patterns.len() == parts.len()
            && patterns.iter().zip(&parts).all(|(pattern, part)| fits(pattern, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_takes_any_characters_and_a_question_mark_one() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "anything: at/all"),
            ("a*", "a"),
            ("a*c*e", "abcde"),
            ("a*bc", "abcbc"),
            ("a?c", "abc"),
            ("?*", "é"),
            ("**a", "bca"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("?", ""),
            ("a*c", "ab"),
            ("a?c", "ac"),
            ("A", "a"),
            ("a*b", "a"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_in_an_arn_keeps_to_its_part() {
        let rule = "arn:aws:events:us-east-1:123456789012:rule/bus/name";
        for pattern in [rule, "*", "arn:*:events:*:*:rule/*", "arn:aws:events:us-????-1:*:*"] {
            assert!(arn_fits(pattern, rule), "{pattern}");
        }
        for pattern in ["", "arn:aws:events:*", "arn:aws:*:rule/bus/name", "arn:aws:s3:::bucket"] {
            assert!(!arn_fits(pattern, rule), "{pattern}");
        }
    }
}
