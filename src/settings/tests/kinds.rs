//! Unknown keys and values of the wrong kind: what the operator reads.

use super::given::variable;
use super::table::rows;
use super::{QUEUE, TOPIC, Written, refusal};
use crate::settings::Settings;

/// Values of each kind, in TOML, and how a refusal shows them.
const VALUES: [(&str, &str); 7] = [
    ("true", "true"),
    ("1.5", "1.5"),
    ("-7", "-7"),
    ("\"text\"", "\"text\""),
    ("[[1]]", "[…]"),
    ("{ a = 1 }", "{…}"),
    ("2026-05-04T07:12:31Z", "\"2026-05-04T07:12:31Z\""),
];
/// The words of the libraries that read the file.
const FOREIGN: [&str; 7] =
    ["struct", "invalid type", "expected", "field", "sequence", "Some(", "config"];

/// Loads a file with one setting that was written wrongly. Nothing in the environment overrides it.
fn refused(key: &str, value: &str) -> Option<String> {
    let needed = [("queue.url", QUEUE.1), ("topic.arn", TOPIC.1)];
    let needed =
        needed.iter().filter(|(other, _)| *other != key && !other.starts_with(&format!("{key}.")));
    let mut lines: Vec<_> = needed.map(|(key, text)| format!("{key} = \"{text}\"")).collect();
    lines.push(format!("{key} = {value}"));
    let file = Written::new(&lines.join("\n"));
    Settings::from_layers(Some(file.path()), []).err().map(|error| error.to_string())
}

/// Expects a refusal that names the key first and has no words but the operator's.
fn assert_plain(message: &str, key: &str) {
    assert!(message.starts_with(key), "{key}: {message}");
    for word in FOREIGN {
        assert!(!message.contains(word), "{word}: {message}");
    }
}

#[test]
fn a_section_that_is_a_value_is_refused_in_plain_words() {
    let mut sections: Vec<&str> =
        rows().iter().map(|row| row.key.split_once('.').unwrap().0).collect();
    sections.dedup();
    assert!(sections.len() >= 10, "{sections:?}");
    for section in sections {
        for (value, shown) in VALUES.iter().filter(|(value, _)| !value.starts_with('{')) {
            let message = refused(section, value).unwrap();
            assert_plain(&message, &format!("{section} = {shown}: give a section with "));
        }
    }
}

#[test]
fn a_value_of_any_kind_is_taken_or_refused_in_plain_words() {
    for row in rows() {
        for (value, _) in VALUES {
            if let Some(message) = refused(&row.key, value) {
                assert_plain(&message, &row.key);
            }
        }
        // No other setting is a table.
        if row.key != "policy.units" {
            let message = refused(&row.key, "{ a = 1 }").unwrap();
            assert!(message.contains(" = {…}: give "), "{message}");
        }
    }
}

#[test]
fn a_refusal_of_a_kind_says_which_one_is_right() {
    for (key, value, message) in [
        ("sizes.batch", "1.5", "sizes.batch = 1.5: give a whole number"),
        ("sizes.batch", "true", "sizes.batch = true: give a whole number"),
        ("sizes.batch", "\"many\"", "sizes.batch = \"many\": give a whole number"),
        ("sizes.batch", "[1]", "sizes.batch = […]: give a whole number"),
        ("scope.regions", "{ a = 1 }", "scope.regions = {…}: give a list, or text with commas"),
        ("scope.regions", "3", "scope.regions = 3: give a list, or text with commas"),
        ("scope.regions", "[[]]", "scope.regions[0] = […]: give text in quotes"),
        (
            "policy.exception_tag",
            "[\"a\"]",
            "policy.exception_tag (EXCEPTION_TAG) = […]: give text in quotes",
        ),
        (
            "policy.exception_tag",
            "true",
            "policy.exception_tag (EXCEPTION_TAG) = true: give text in quotes",
        ),
        ("topic.arn", "1.5", "topic.arn (SNS_TOPIC_ARN) = 1.5: give text in quotes"),
        ("queue", "3", "queue = 3: give a section with url, wait_secs, visibility_timeout_secs"),
        ("topic", "\"arn\"", "topic = \"arn\": give a section with arn, operators_arn"),
    ] {
        assert_eq!(refused(key, value).unwrap(), message);
    }
    assert_eq!(
        refusal("ENFORCER_SIZES__BATCH", "many"),
        "sizes.batch = \"many\": give a whole number"
    );
}

#[test]
fn an_unknown_key_or_section_is_refused_by_its_name() {
    let known = "; the table of settings in docs/src/settings.md lists every key with its range";
    for (key, begins) in [
        ("sizes.bacth", "sizes.bacth: no such setting; there are batch, stop_batch, "),
        ("size.bacth", "size: no such setting; there are policy, queue, "),
        ("queue.name", "queue.name: no such setting; there are url, wait_secs, "),
    ] {
        let messages = [refused(key, "5").unwrap(), refusal(&variable(key), "5")];
        for message in messages {
            assert_plain(&message, begins);
            assert!(message.ends_with(known), "{message}");
        }
    }
}
