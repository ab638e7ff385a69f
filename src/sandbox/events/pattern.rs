//! Event patterns: nested objects with the fields of an event, each with a list of allowed values.

use serde_json::{Value, json};

use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;

pub(super) fn test(request: &Request) -> Answer {
    let pattern = parse(request.parameters().text("EventPattern")?)?;
    let event = request.parameters().text("Event")?;
    let invalid = || Failure::refused("InvalidEventPatternException", "Event is not valid.");
    let event: Value = serde_json::from_str(event).map_err(|_| invalid())?;
    Ok(json!({ "Result": matches(&pattern, &event) }))
}

/// Reads a pattern, and refuses it if a field has neither an object nor a list that is not empty.
pub(in crate::sandbox) fn parse(pattern: &str) -> Result<Value, Failure> {
    let invalid =
        || Failure::refused("InvalidEventPatternException", "Event pattern is not valid.");
    let pattern: Value = serde_json::from_str(pattern).map_err(|_| invalid())?;
    if pattern.is_object() && is_sound(&pattern) { Ok(pattern) } else { Err(invalid()) }
}

/// Whether each field of the pattern allows the value that the event has in it.
pub(in crate::sandbox) fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(name, allowed)| {
            let found = event.get(name);
            match allowed {
                Value::Object(_) => found.is_some_and(|found| matches(allowed, found)),
                Value::Array(allowed) => allowed.iter().any(|one| allows(one, found)),
                _ => false,
            }
        }),
        _ => false,
    }
}

fn is_sound(pattern: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.values().all(is_sound),
        Value::Array(allowed) => !allowed.is_empty(),
        _ => false,
    }
}

/// Whether one entry of the list allows a value: a plain value, or a matcher such as
/// `{"prefix": "i-"}`. A list in the event is allowed if one of its items is.
fn allows(entry: &Value, found: Option<&Value>) -> bool {
    if let Some(Value::Array(items)) = found {
        return items.iter().any(|item| allows(entry, Some(item)));
    }
    let text = found.and_then(Value::as_str);
    match entry.as_object().and_then(|object| object.iter().next()) {
        Some((matcher, argument)) => match matcher.as_str() {
            "exists" => argument.as_bool() == Some(found.is_some()),
            "prefix" => {
                text.zip(argument.as_str()).is_some_and(|(text, start)| text.starts_with(start))
            }
            "suffix" => text.zip(argument.as_str()).is_some_and(|(text, end)| text.ends_with(end)),
            "equals-ignore-case" => text
                .zip(argument.as_str())
                .is_some_and(|(text, other)| text.eq_ignore_ascii_case(other)),
            "anything-but" => found.is_some_and(|found| match argument {
                Value::Array(others) => !others.contains(found),
                other => other != found,
            }),
            _ => false,
        },
        None => found == Some(entry),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{matches, parse};

    #[test]
    fn every_field_must_match_and_one_of_its_values_is_enough() {
        let pattern = json!({"source": ["aws.ec2"], "detail": {"state": ["running", "stopped"]}});
        assert!(matches(&pattern, &json!({"source": "aws.ec2", "detail": {"state": "running"}})));
        assert!(!matches(&pattern, &json!({"source": "aws.ec2", "detail": {"state": "pending"}})));
        assert!(!matches(&pattern, &json!({"detail": {"state": "running"}})));
    }

    #[test]
    fn matchers_allow_more_than_equal_values() {
        let event = json!({"a": "hello"});
        for (entry, expected) in [
            (json!({"prefix": "he"}), true),
            (json!({"anything-but": ["hello"]}), false),
            (json!({"exists": true}), true),
            (json!({"exists": false}), false),
        ] {
            assert_eq!(matches(&json!({"a": [entry]}), &event), expected, "{entry}");
        }
    }

    #[test]
    fn a_value_that_is_not_in_a_list_is_refused() {
        assert!(parse(r#"{"source": "aws.ec2"}"#).is_err());
    }
}
