//! Checks the keys of tags: an exception tag that no instance can carry would stop every exempt
//! instance.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

/// EC2's limit for a tag key, in characters.
const CHARACTER_LIMIT: usize = 128;

/// Reads a tag key that an instance can carry.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(String::deserialize(deserializer)?)
}

/// Takes a key that an instance can carry, and nothing else.
pub(super) fn checked<E: Error>(key: String) -> Result<String, E> {
    let Some(remedy) = remedy(&key) else { return Ok(key) };
    Err(E::invalid_value(Unexpected::Str(&key), &remedy))
}

/// Takes a key of a tag that is only read, which AWS may have set.
pub(super) fn checked_to_read<E: Error>(key: String) -> Result<String, E> {
    let missing = key.is_empty().then_some("give a tag key");
    match missing.or_else(|| remedy_of_text(&key)) {
        None => Ok(key),
        Some(remedy) => Err(E::invalid_value(Unexpected::Str(&key), &remedy)),
    }
}

/// What would be right, if the key of a tag that people set is not.
fn remedy(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("give a tag key, or leave it out for SPECIAL_EXCEPTION");
    }
    if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return Some("give a key without the prefix aws:, which only AWS can set");
    }
    remedy_of_text(key)
}

/// What would be right, if a key has not the form of tag keys.
fn remedy_of_text(key: &str) -> Option<&'static str> {
    if key.trim() != key {
        return Some("take the blanks around the key away");
    }
    if key.chars().count() > CHARACTER_LIMIT {
        return Some("give at most 128 characters, as EC2 does");
    }
    (!key.chars().all(is_tag_character))
        .then_some("use only letters, digits, spaces and + - = . _ : / @, as tag keys do")
}

fn is_tag_character(character: char) -> bool {
    character.is_alphanumeric() || " +-=._:/@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsError;
    use crate::settings::tests;

    fn refusal(key: &str) -> String {
        tests::refusal("EXCEPTION_TAG", key)
    }

    #[test]
    fn keys_that_an_instance_can_carry_are_taken() {
        let longest = "ü".repeat(128);
        for key in ["SPECIAL_EXCEPTION", "team:keep running/+-=.@", "保持", "awsome", &longest] {
            assert_eq!(checked::<SettingsError>(key.to_owned()).unwrap(), key);
        }
    }

    #[test]
    fn an_empty_key_in_the_file_is_refused() {
        let file = tests::Written::new("policy.exception_tag = \"\"");
        assert_eq!(
            file.load(&[]).unwrap_err().to_string(),
            "policy.exception_tag (EXCEPTION_TAG) = \"\": \
             give a tag key, or leave it out for SPECIAL_EXCEPTION"
        );
    }

    #[test]
    fn blanks_around_the_key_are_refused() {
        for key in [" KEEP", "KEEP ", "KEEP\n", " "] {
            let message = refusal(key);
            assert!(message.ends_with("take the blanks around the key away"), "{message}");
        }
    }

    #[test]
    fn a_key_of_129_characters_is_refused() {
        assert!(refusal(&"k".repeat(129)).ends_with("give at most 128 characters, as EC2 does"));
    }

    #[test]
    fn the_prefix_of_aws_is_refused_in_any_case() {
        for key in ["aws:keep", "AWS:keep", "Aws:"] {
            let message = refusal(key);
            assert!(
                message.ends_with("without the prefix aws:, which only AWS can set"),
                "{message}"
            );
        }
    }

    #[test]
    fn characters_that_no_tag_key_has_are_refused() {
        for key in ["KEEP*", "KE?P", "KEEP\\", "a\tb", "a\u{0}b", "a,b", "keep\u{1f600}"] {
            let message = refusal(key);
            assert!(
                message.ends_with(
                    "use only letters, digits, spaces and + - = . _ : / @, as tag keys do"
                ),
                "{message}"
            );
        }
    }
}
