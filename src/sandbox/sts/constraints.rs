//! What STS asks of the parameters of `AssumeRole`, with its messages.

use crate::sandbox::answer::Failure;
use crate::sandbox::wire::parameters::Parameters;

/// The fewest and the most seconds for which credentials can be valid.
const LEAST_SECS: i64 = 900;
const MOST_SECS: i64 = 43_200;
/// The longest session of a caller that has the credentials of a role itself, as all callers of the
/// sandbox do.
const CHAINED_SECS: i64 = 3600;

/// A parameter that is a text: its name in messages, the least and the most characters, and those
/// beside letters, digits and `_` that are allowed, with the pattern that says so.
struct Text {
    name: &'static str,
    least: usize,
    most: usize,
    allowed: Option<(&'static str, &'static str)>,
}

const ROLE_ARN: Text = Text { name: "roleArn", least: 20, most: 2048, allowed: None };
const SESSION_NAME: Text =
    Text { name: "roleSessionName", least: 2, most: 64, allowed: Some(("+=,.@-", r"[\w+=,.@-]*")) };
const EXTERNAL_ID: Text = Text {
    name: "externalId",
    least: 2,
    most: 1224,
    allowed: Some(("+=,.@:/-", r"[\w+=,.@:\/-]*")),
};

/// Refuses parameters that break a constraint, and names all that do.
pub(super) fn check(parameters: Parameters<'_>) -> Result<(), Failure> {
    let required = [("RoleArn", ROLE_ARN), ("RoleSessionName", SESSION_NAME)];
    let mut broken: Vec<String> = Vec::new();
    for (parameter, constraint) in required {
        match parameters.optional(parameter) {
            Some(text) => broken.extend(constraint.broken_by(text)),
            None => broken.push(of("null", constraint.name, "Member must not be null")),
        }
    }
    let external_id = parameters.optional("ExternalId");
    broken.extend(external_id.into_iter().flat_map(|id| EXTERNAL_ID.broken_by(id)));
    let secs = parameters.number("DurationSeconds")?;
    broken.extend(secs.and_then(out_of_range));
    match broken.len() {
        0 if secs.is_some_and(|secs| secs > CHAINED_SECS) => Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining.",
        )),
        0 => Ok(()),
        1 => Err(invalid(format!("1 validation error detected: {}", broken[0]))),
        count => Err(invalid(format!("{count} validation errors detected: {}", broken.join("; ")))),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::refused("ValidationError", message)
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Text {
    fn broken_by(&self, text: &str) -> Vec<String> {
        let (value, count) = (format!("'{text}'"), text.chars().count());
        let mut broken = Vec::new();
        if let Some((others, pattern)) = self.allowed
            && !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || others.contains(c))
        {
            let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
            broken.push(of(&value, self.name, &constraint));
        }
        if count < self.least {
            let constraint =
                format!("Member must have length greater than or equal to {}", self.least);
            broken.push(of(&value, self.name, &constraint));
        }
        if count > self.most {
            let constraint = format!("Member must have length less than or equal to {}", self.most);
            broken.push(of(&value, self.name, &constraint));
        }
        broken
    }
}

fn out_of_range(secs: i64) -> Option<String> {
    let (bound, limit) = match secs {
        ..LEAST_SECS => ("greater", LEAST_SECS),
        LEAST_SECS..=MOST_SECS => return None,
        _ => ("less", MOST_SECS),
    };
    let constraint = format!("Member must have value {bound} than or equal to {limit}");
    Some(of(&format!("'{secs}'"), "durationSeconds", &constraint))
}

fn of(value: &str, name: &str, constraint: &str) -> String {
    format!("Value {value} at '{name}' failed to satisfy constraint: {constraint}")
}
