//! Evaluates the policy of a queue as IAM does: may a rule, or a topic, send to it? What a
//! condition asks and nobody here knows is neither allowed nor denied.

mod condition;
pub(super) mod pattern;
pub(super) mod request;
mod truth;

use std::fmt;

use serde_json::Value;

use pattern::fits;
use request::Request;
use truth::Truth;

const ACTION: &str = "sqs:sendmessage";

/// What a policy says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It allows it.
    Allowed,
    /// A statement denies it.
    Denied(Because),
    /// No statement allows it; this one comes nearest.
    NotAllowed(Option<Because>),
    /// This statement asks what nobody here knows.
    Unknown(Because),
}

/// The statement that an answer comes from, and the part of it that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Because {
    statement: String,
    part: Part,
}

/// A part of a statement, in the order in which a request is compared with them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Principal,
    Action,
    Resource,
    /// The operator and the key; empty without any condition.
    Condition(String),
}

/// Evaluates the policy for a request.
pub(super) fn evaluate(policy: &Value, request: &Request) -> Answer {
    let mut judged = Vec::new();
    for (at, statement) in list(&policy["Statement"]).into_iter().enumerate() {
        let (truth, part) = applies(statement, request);
        let because = Because { statement: name(at, statement), part };
        judged.push((statement["Effect"] == "Deny", truth, because));
    }
    let of = |denies: bool, truth: Truth| {
        let found = judged.iter().find(|one| one.0 == denies && one.1 == truth);
        found.map(|(.., because)| because.clone())
    };
    if let Some(because) = of(true, Truth::Yes) {
        return Answer::Denied(because);
    }
    let unsure = of(true, Truth::Unknown);
    let allows = of(false, Truth::Yes);
    match (&allows, of(false, Truth::Unknown)) {
        (None, None) => Answer::NotAllowed(nearest(judged)),
        (None, Some(because)) => Answer::Unknown(because),
        (Some(_), _) => unsure.map_or(Answer::Allowed, Answer::Unknown),
    }
}

/// The statement that would allow the request but for its resource or a condition.
fn nearest(judged: Vec<(bool, Truth, Because)>) -> Option<Because> {
    let allowing = judged.into_iter().filter(|(denies, ..)| !denies).map(|(.., because)| because);
    let nearest = allowing.max_by(|one, other| one.part.cmp(&other.part));
    nearest.filter(|because| because.part >= Part::Resource)
}

/// Whether a statement applies to a request, and the part that decided.
fn applies(statement: &Value, request: &Request) -> (Truth, Part) {
    if !is_for_sender(statement, request) {
        return (Truth::No, Part::Principal);
    }
    if !is_for_sending(statement) {
        return (Truth::No, Part::Action);
    }
    let resource = resource(statement, request);
    let (condition, decided) = condition::meets(&statement["Condition"], request);
    if resource < Truth::Yes && resource <= condition {
        return (resource, Part::Resource);
    }
    (condition, Part::Condition(decided))
}

/// The roles that the policy lets send: a rule may have one, as those of another account must.
/// Conditions are not looked at.
pub(super) fn roles(policy: &Value) -> Vec<&str> {
    let statements = list(&policy["Statement"]).into_iter();
    let allowing =
        statements.filter(|statement| statement["Effect"] == "Allow" && is_for_sending(statement));
    let principals = allowing.flat_map(|statement| list(&statement["Principal"]["AWS"]));
    principals.filter_map(Value::as_str).filter(|arn| arn.contains(":role/")).collect()
}

fn is_for_sender(statement: &Value, request: &Request) -> bool {
    let is_named = |principal: &Value| {
        let is_sender = |name: &&Value| name.as_str().is_some_and(|name| request.is_by(name));
        let services = list(&principal["Service"]);
        principal == "*"
            || list(&principal["AWS"]).into_iter().chain(services.clone()).any(|name| name == "*")
            || services.iter().any(is_sender)
    };
    match (&statement["Principal"], &statement["NotPrincipal"]) {
        (Value::Null, Value::Null) => false,
        (Value::Null, others) => !is_named(others),
        (named, _) => is_named(named),
    }
}

fn is_for_sending(statement: &Value) -> bool {
    let is_named = |actions: &Value| {
        let actions = list(actions).into_iter().filter_map(Value::as_str);
        actions.map(str::to_ascii_lowercase).any(|action| fits(&action, ACTION))
    };
    match (&statement["Action"], &statement["NotAction"]) {
        (Value::Null, Value::Null) => false,
        (Value::Null, others) => !is_named(others),
        (named, _) => is_named(named),
    }
}

/// A policy of a queue may leave out the resource: it is the queue.
fn resource(statement: &Value, request: &Request) -> Truth {
    let named = |resources: &Value| {
        let each = list(resources).into_iter().filter_map(Value::as_str);
        // A variable such as `${aws:username}`.
        let is_open = |arn: &str| arn.contains("${");
        let truths = each.map(|arn| {
            if is_open(arn) { Truth::Unknown } else { Truth::of(fits(arn, request.queue)) }
        });
        truths.max().unwrap_or(Truth::No)
    };
    match (&statement["Resource"], &statement["NotResource"]) {
        (Value::Null, Value::Null) => Truth::Yes,
        (Value::Null, others) => match named(others) {
            Truth::Yes => Truth::No,
            Truth::Unknown => Truth::Unknown,
            Truth::No => Truth::Yes,
        },
        (named_ones, _) => named(named_ones),
    }
}

/// A statement by its Sid, or else by its place.
fn name(at: usize, statement: &Value) -> String {
    match statement["Sid"].as_str().filter(|sid| !sid.is_empty()) {
        Some(sid) => format!("the statement {sid}"),
        None => format!("statement {}", at + 1),
    }
}

impl fmt::Display for Because {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.statement)?;
        match &self.part {
            Part::Condition(condition) if !condition.is_empty() => {
                write!(formatter, " ({condition})")
            }
            Part::Resource => formatter.write_str(" (Resource)"),
            _ => Ok(()),
        }
    }
}

/// A policy writes a list of one as the one.
pub(super) fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests;
