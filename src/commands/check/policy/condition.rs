//! The conditions of a statement, as far as the operators and keys are known here.

use serde_json::Value;

use crate::commands::check::policy::list;
use crate::commands::check::policy::pattern::{arn_fits, fits};
use crate::commands::check::policy::request::{Context, Request};
use crate::commands::check::policy::truth::Truth;

/// An operator such as `ForAnyValue:StringNotLikeIfExists`, taken apart.
struct Operator<'name> {
    /// `StringLike`.
    base: String,
    /// `Not`: none of the values may fit.
    is_negated: bool,
    /// `IfExists`: a key that the request does not have fits.
    may_be_absent: bool,
    /// `ForAllValues` or `ForAnyValue`.
    set: Option<&'name str>,
}

/// Whether the request meets a statement's conditions, and the operator and the key that decided:
/// the first one, where all hold.
pub(super) fn meets(conditions: &Value, request: &Request) -> (Truth, String) {
    let mut all = (Truth::Yes, String::new());
    for (operator, keys) in conditions.as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let truth = holds(&Operator::read(operator), values, &request.context(key));
            if truth < all.0 || all.1.is_empty() {
                all = (truth, format!("{operator} {key}"));
            }
        }
    }
    all
}

impl<'name> Operator<'name> {
    fn read(name: &'name str) -> Self {
        let (set, rest) = match name.split_once(':') {
            Some((set, rest)) => (Some(set), rest),
            None => (None, name),
        };
        let plain = rest.strip_suffix("IfExists").unwrap_or(rest);
        let base = plain.replacen("Not", "", 1);
        let is_negated = base.len() < plain.len();
        Self { base, is_negated, may_be_absent: plain.len() < rest.len(), set }
    }

    /// Whether a value of the request fits a value of the policy, without the negation; `None` for
    /// an operator that is not known here.
    fn fits(&self, pattern: &str, text: &str) -> Option<bool> {
        Some(match self.base.as_str() {
            "StringEquals" => pattern == text,
            "StringEqualsIgnoreCase" | "Bool" => pattern.eq_ignore_ascii_case(text),
            "StringLike" => fits(pattern, text),
            "ArnEquals" | "ArnLike" => arn_fits(pattern, text),
            _ => return None,
        })
    }
}

fn holds(operator: &Operator<'_>, values: &Value, context: &Context) -> Truth {
    let values: Vec<String> = list(values).into_iter().map(text).collect();
    match context {
        Context::Unknown => Truth::Unknown,
        Context::Absent if operator.base == "Null" => is_null(&values, true),
        Context::Present(_) if operator.base == "Null" => is_null(&values, false),
        Context::Absent => Truth::of(match operator.set {
            Some("ForAnyValue") => operator.may_be_absent,
            Some(_) => true,
            None => operator.may_be_absent || operator.is_negated,
        }),
        // A variable such as `${aws:username}`.
        Context::Present(_) if values.iter().any(|value| value.contains("${")) => Truth::Unknown,
        Context::Present(texts) => compared(operator, &values, texts),
    }
}

fn is_null(values: &[String], is_absent: bool) -> Truth {
    Truth::of(values.iter().any(|value| value.eq_ignore_ascii_case(&is_absent.to_string())))
}

fn compared(operator: &Operator<'_>, values: &[String], texts: &[String]) -> Truth {
    let mut each = Vec::new();
    for text in texts {
        let mut any = false;
        for value in values {
            let Some(fits) = operator.fits(value, text) else { return Truth::Unknown };
            any |= fits;
        }
        each.push(any != operator.is_negated);
    }
    Truth::of(match operator.set {
        Some("ForAnyValue") => each.contains(&true),
        _ => !each.contains(&false),
    })
}

/// Policies write `true` and numbers with and without quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::check::policy::request::Sender;

    const RULE: &str = "arn:aws:events:us-east-1:123456789012:rule/starts";
    const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:events";

    fn truth(operator: &str, key: &str, value: &Value) -> Truth {
        let request = Request::of(Sender::Rule, RULE, QUEUE);
        meets(&json!({ operator: { key: value } }), &request).0
    }

    #[test]
    fn a_key_that_is_there_is_compared() {
        for (operator, key, value, holds) in [
            ("StringEquals", "aws:SourceAccount", json!("123456789012"), true),
            ("StringEquals", "AWS:sourceaccount", json!(["1", "123456789012"]), true),
            ("StringEquals", "aws:SourceArn", json!("arn:aws:events:*"), false),
            ("StringNotEquals", "aws:SourceAccount", json!("123456789012"), false),
            ("StringNotEquals", "aws:SourceAccount", json!(["1", "2"]), true),
            (
                "StringEqualsIgnoreCase",
                "aws:PrincipalServiceName",
                json!("Events.AmazonAWS.com"),
                true,
            ),
            ("StringLike", "aws:SourceArn", json!("arn:aws:events:*"), true),
            ("StringNotLike", "aws:SourceArn", json!("arn:aws:s3:*"), true),
            ("ArnLike", "aws:SourceArn", json!("arn:aws:events:*:*:rule/*"), true),
            ("ArnEquals", "aws:SourceArn", json!("arn:aws:events:*:*:rule/st?rts"), true),
            ("ArnNotLike", "aws:SourceArn", json!("arn:aws:events:*:*:rule/*"), false),
            ("Bool", "aws:SecureTransport", json!(true), true),
            ("Bool", "aws:SecureTransport", json!("False"), false),
            ("Null", "aws:SourceArn", json!("false"), true),
            ("Null", "aws:SourceArn", json!(true), false),
            ("StringEqualsIfExists", "aws:SourceAccount", json!("1"), false),
            ("ForAnyValue:StringEquals", "aws:SourceAccount", json!(["1", "123456789012"]), true),
            ("ForAllValues:StringLike", "aws:SourceAccount", json!("1234*"), true),
        ] {
            assert_eq!(truth(operator, key, &value), Truth::of(holds), "{operator} {key} {value}");
        }
    }

    #[test]
    fn a_key_that_is_not_there_fits_what_is_negated_or_optional() {
        for (operator, holds) in [
            ("StringEquals", false),
            ("StringLike", false),
            ("StringNotEquals", true),
            ("StringNotLike", true),
            ("StringEqualsIfExists", true),
            ("IpAddress", false),
            ("NotIpAddress", true),
            ("ForAnyValue:StringLike", false),
            ("ForAllValues:StringLike", true),
        ] {
            let found = truth(operator, "aws:SourceVpce", &json!("vpce-0abc"));
            assert_eq!(found, Truth::of(holds), "{operator}");
        }
        assert_eq!(truth("Null", "aws:SourceVpce", &json!("true")), Truth::Yes);
        assert_eq!(truth("Null", "aws:SourceVpce", &json!("false")), Truth::No);
    }

    #[test]
    fn what_is_not_known_is_neither_true_nor_false() {
        for (operator, key) in [
            ("StringEquals", "aws:SourceOrgID"),
            ("NumericLessThan", "aws:EpochTime"),
            ("StringEquals", "aws:ResourceTag/team"),
            ("DateGreaterThan", "aws:SourceAccount"),
        ] {
            assert_eq!(truth(operator, key, &json!("1")), Truth::Unknown, "{operator} {key}");
        }
        let variable = json!("${aws:PrincipalAccount}");
        assert_eq!(truth("StringEquals", "aws:SourceAccount", &variable), Truth::Unknown);
    }

    #[test]
    fn all_conditions_must_hold_and_the_one_that_does_not_is_named() {
        let request = Request::of(Sender::Rule, RULE, QUEUE);
        let both = json!({
            "ArnEquals": { "aws:SourceArn": RULE },
            "StringEquals": { "aws:SourceAccount": "999999999999", "aws:SourceOrgID": "o-1" },
        });
        let named = "StringEquals aws:SourceAccount".to_owned();
        assert_eq!(meets(&both, &request), (Truth::No, named));
        assert_eq!(meets(&Value::Null, &request), (Truth::Yes, String::new()));
    }
}
