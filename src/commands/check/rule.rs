//! Whether a rule feeds the queue, as far as the queue's own policy tells.

use serde_json::Value;

use crate::commands::check::finding::Finding;
use crate::commands::check::subject::Subject;

/// Who may send events: EventBridge itself, or a topic that a rule has as its target.
const SENDERS: [&str; 3] = ["events.amazonaws.com", "sns.amazonaws.com", "*"];
const SENDS: [&str; 3] = ["sqs:sendmessage", "sqs:*", "*"];

/// Checks that the policy of the queue `queue` lets a rule or a topic send. It cannot show that one
/// does.
pub(super) fn sender(policy: Option<&str>, queue: &str) -> Finding {
    let policy: Option<Value> = policy.and_then(|policy| serde_json::from_str(policy).ok());
    let statements = policy.as_ref().map(|policy| list(&policy["Statement"])).unwrap_or_default();
    let allowed: Vec<_> = statements.into_iter().filter(|statement| lets_send(statement)).collect();
    if allowed.is_empty() {
        return Finding::warning(Subject::Rule, "the queue's policy lets no rule send to it")
            .remedy("give the queue the policy deploy/iam/events-queue-policy.json");
    }
    let sources: Vec<_> = allowed.into_iter().flat_map(sources).collect();
    let who = if sources.is_empty() { "EventBridge".to_owned() } else { sources.join(", ") };
    let found = format!("{who} may send; whether it does, this role cannot ask");
    let remedy = format!("aws events list-rule-names-by-target --target-arn {queue}");
    Finding::not_proven(Subject::Rule, found).remedy(remedy)
}

fn lets_send(statement: &Value) -> bool {
    let principal = &statement["Principal"];
    let services = list(principal).into_iter().chain(list(&principal["Service"]));
    let aws = list(&principal["AWS"]);
    statement["Effect"] == "Allow"
        && names(services.chain(aws), &SENDERS)
        && names(list(&statement["Action"]).into_iter(), &SENDS)
}

/// The rules and topics that the conditions name.
fn sources(statement: &Value) -> Vec<String> {
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    let keys = conditions.flat_map(|(_, keys)| keys.as_object().into_iter().flatten());
    let sources = keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"));
    let arns = sources.flat_map(|(_, arns)| list(arns));
    arns.filter_map(|arn| Some(arn.as_str()?.to_owned())).collect()
}

fn names<'value>(mut values: impl Iterator<Item = &'value Value>, known: &[&str]) -> bool {
    let known = |text: &str| known.contains(&text.to_ascii_lowercase().as_str());
    values.any(|value| value.as_str().is_some_and(known))
}

/// A policy writes a list of one as the one.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::subject::State;

    const QUEUE: &str = "arn:aws:sqs:eu-central-1:123456789012:ec2-policy-enforcer-events";

    #[test]
    fn the_policy_that_is_deployed_lets_its_rule_send() {
        let policy = include_str!("../../../deploy/iam/events-queue-policy.json");
        let finding = sender(Some(policy), QUEUE);
        assert_eq!(finding.state, State::NotProven);
        let rule = "arn:aws:events:eu-central-1:123456789012:rule/ec2-policy-enforcer-events";
        assert!(finding.found.starts_with(rule), "{}", finding.found);
    }

    #[test]
    fn a_queue_that_lets_no_rule_send_is_warned_of() {
        let other = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},
            "Action":"sqs:SendMessage"}}"#;
        let denied = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"sqs:*"}}"#;
        let reading = r#"{"Statement":{"Effect":"Allow","Principal":"*",
            "Action":["sqs:ReceiveMessage"]}}"#;
        for policy in [None, Some(""), Some("{}"), Some(other), Some(denied), Some(reading)] {
            assert_eq!(sender(policy, QUEUE).state, State::Warning, "{policy:?}");
        }
    }

    #[test]
    fn whoever_lets_everybody_send_lets_a_rule_send() {
        let open = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"SQS:*"}]}"#;
        assert_eq!(sender(Some(open), QUEUE).state, State::NotProven);
    }
}
