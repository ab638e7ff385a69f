//! Whether a rule feeds the queue, as far as the queue's own policy tells.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::commands::check::finding::Finding;
use crate::commands::check::policy::pattern::fits;
use crate::commands::check::policy::request::{Request, Sender};
use crate::commands::check::policy::{Answer, evaluate, list, roles};
use crate::commands::check::subject::Subject;

const REMEDY: &str = "give the queue the policy deploy/iam/events-queue-policy.json";

/// Somebody who may be meant to send: a rule, or a topic that a rule has as its target.
struct Source {
    sender: Sender,
    /// An ARN that the policy names, perhaps with wildcards; `None` for any of its kind.
    named: Option<String>,
}

/// Checks that the policy of the queue `queue` lets a rule or a topic send. It cannot show that one
/// does.
pub(super) fn sender(policy: Option<&str>, queue: &str) -> Finding {
    let policy = policy.and_then(|policy| serde_json::from_str(policy).ok());
    let policy = policy.unwrap_or(Value::Null);
    let answers: Vec<_> = sources(&policy)
        .into_iter()
        .map(|source| {
            let arn = source.example(queue);
            let answer = evaluate(&policy, &Request::of(source.sender, &arn, queue));
            (source, answer)
        })
        .collect();
    let allowed = answers.iter().filter(|(_, answer)| *answer == Answer::Allowed);
    let (named, any): (Vec<_>, Vec<_>) =
        allowed.map(|(source, _)| source).partition(|source| source.named.is_some());
    let allowed = if named.is_empty() { any } else { named };
    if !allowed.is_empty() {
        let who: Vec<_> = allowed.into_iter().map(Source::shown).collect();
        let found = format!("{} may send; whether it does, this role cannot ask", who.join(", "));
        return Finding::not_proven(Subject::Rule, found).remedy(ask(queue));
    }
    let roles = roles(&policy);
    if !roles.is_empty() {
        let found =
            format!("only {} may send, as a rule does that has this role", roles.join(", "));
        return Finding::not_proven(Subject::Rule, found).remedy(ask(queue));
    }
    let unknown = answers.iter().find(|(_, answer)| matches!(answer, Answer::Unknown(_)));
    let (source, answer) = unknown.unwrap_or(&answers[0]);
    closed(source, answer, queue)
}

/// The finding for a queue to which nobody is known to be allowed to send.
fn closed(source: &Source, answer: &Answer, queue: &str) -> Finding {
    let who = source.shown();
    match answer {
        Answer::Unknown(because) => {
            let found =
                format!("whether {who} may send depends on {because} of the queue's policy");
            Finding::not_proven(Subject::Rule, found).remedy(ask(queue))
        }
        Answer::Denied(because) => {
            let found = format!("the queue's policy denies sending to {who}, by {because}");
            Finding::warning(Subject::Rule, found)
                .remedy("except EventBridge there, which comes from no network of yours")
        }
        Answer::NotAllowed(Some(because)) => {
            let found =
                format!("the queue's policy lets no rule send to it: {because} does not fit {who}");
            Finding::warning(Subject::Rule, found).remedy(REMEDY)
        }
        Answer::NotAllowed(None) | Answer::Allowed => {
            let found = "the queue's policy lets no rule send to it";
            Finding::warning(Subject::Rule, found).remedy(REMEDY)
        }
    }
}

fn ask(queue: &str) -> String {
    format!("aws events list-rule-names-by-target --target-arn {queue}")
}

/// Those whom the policy names, then any of their kind; first rules, then topics.
fn sources(policy: &Value) -> Vec<Source> {
    let named: BTreeSet<&str> =
        list(&policy["Statement"]).into_iter().flat_map(source_arns).collect();
    let mut sources = Vec::new();
    for sender in [Sender::Rule, Sender::Topic] {
        let is_its = |arn: &&&str| arn.split(':').nth(2) == Some(sender.service());
        let of_sender = named.iter().filter(is_its).map(|arn| Some((*arn).to_owned()));
        sources.extend(of_sender.chain([None]).map(|named| Source { sender, named }));
    }
    sources
}

/// The ARNs that the conditions of a statement name as sources.
fn source_arns(statement: &Value) -> Vec<&str> {
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    let keys = conditions.flat_map(|(_, keys)| keys.as_object().into_iter().flatten());
    let sources = keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"));
    sources.flat_map(|(_, arns)| list(arns)).filter_map(Value::as_str).collect()
}

impl Source {
    fn shown(&self) -> String {
        self.named.clone().unwrap_or_else(|| match self.sender {
            Sender::Rule => "EventBridge".to_owned(),
            Sender::Topic => "SNS".to_owned(),
        })
    }

    /// The ARN of one of those who are meant. What is left open is as for the queue.
    fn example(&self, queue: &str) -> String {
        let resource = match self.sender {
            Sender::Rule => "rule/example",
            Sender::Topic => "example",
        };
        let named = self.named.as_deref().unwrap_or("*");
        let own: Vec<_> = queue.splitn(6, ':').collect();
        let mut parts: Vec<_> = named.splitn(6, ':').map(str::to_owned).collect();
        parts.resize(6, "*".to_owned());
        for (at, part) in parts.iter_mut().enumerate() {
            let own = match at {
                2 => self.sender.service(),
                5 => resource,
                at => own.get(at).copied().unwrap_or_default(),
            };
            *part = if fits(part, own) { own.to_owned() } else { part.replace(['*', '?'], "0") };
        }
        parts.join(":")
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

    /// The finding about a policy that lets a service send, under this condition.
    fn under(service: &str, condition: &str) -> Finding {
        let policy = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Service":"{service}"}},
            "Action":"sqs:SendMessage","Condition":{condition}}}}}"#
        );
        sender(Some(&policy), QUEUE)
    }

    #[test]
    fn rules_and_topics_that_are_named_with_wildcards_may_send() {
        for (service, operator, arn) in [
            ("events.amazonaws.com", "ArnLike", "arn:aws:events:*:*:rule/*"),
            ("events.amazonaws.com", "ArnLike", "arn:aws:events:eu-*-1:2109876543??:rule/bus/a?c*"),
            ("events.amazonaws.com", "StringLike", "arn:aws:events:*"),
            (
                "events.amazonaws.com",
                "ArnEquals",
                "arn:aws-cn:events:cn-north-1:210987654321:rule/r",
            ),
            ("sns.amazonaws.com", "ArnEquals", "arn:aws:sns:eu-central-1:123456789012:events"),
        ] {
            let finding =
                under(service, &format!(r#"{{"{operator}":{{"aws:SourceArn":"{arn}"}}}}"#));
            assert_eq!(finding.state, State::NotProven, "{arn}");
            assert!(finding.found.starts_with(&format!("{arn} may send")), "{}", finding.found);
        }
    }

    #[test]
    fn a_deny_of_one_rule_leaves_the_others() {
        let policy = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*"},
            {"Effect":"Deny","Principal":"*","Action":"sqs:*","Condition":{"ArnEquals":
            {"aws:SourceArn":"arn:aws:events:eu-central-1:123456789012:rule/noise"}}}]}"#;
        let finding = sender(Some(policy), QUEUE);
        assert!(finding.found.starts_with("EventBridge, SNS may send"), "{}", finding.found);
    }

    #[test]
    fn a_rule_of_another_account_may_send_with_a_role() {
        let role = "arn:aws:iam::210987654321:role/events";
        let policy = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{{"AWS":"{role}"}},"Action":"sqs:*"}}}}"#
        );
        let finding = sender(Some(&policy), QUEUE);
        assert_eq!(finding.state, State::NotProven);
        assert!(finding.found.starts_with(&format!("only {role} may send")), "{}", finding.found);
    }

    #[test]
    fn what_keeps_a_rule_from_sending_is_told() {
        let finding = under(
            "events.amazonaws.com",
            r#"{"StringEquals":{"aws:SourceAccount":"999999999999"}}"#,
        );
        assert_eq!(
            finding.found,
            "the queue's policy lets no rule send to it: statement 1 (StringEquals \
             aws:SourceAccount) does not fit EventBridge"
        );
        let finding =
            under("events.amazonaws.com", r#"{"StringEquals":{"aws:SourceOrgID":"o-1"}}"#);
        assert_eq!(finding.state, State::NotProven);
        assert_eq!(
            finding.found,
            "whether EventBridge may send depends on statement 1 (StringEquals aws:SourceOrgID) of \
             the queue's policy"
        );
    }

    #[test]
    fn a_deny_is_told_with_its_condition() {
        let policy = include_str!("policy/cases/deny-vpce.json");
        let finding = sender(Some(policy), "arn:aws:sqs:us-east-1:123456789012:ec2-state-changes");
        assert_eq!(finding.state, State::Warning);
        assert_eq!(
            finding.found,
            "the queue's policy denies sending to \
             arn:aws:events:us-east-1:123456789012:rule/ec2-state-changes, by statement 2 \
             (StringNotEquals aws:SourceVpce)"
        );
    }
}
