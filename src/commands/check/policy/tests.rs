//! Policies of a queue, and whether they let a rule send.

use serde_json::json;

use super::*;
use crate::commands::check::policy::request::Sender;

const RULE: &str = "arn:aws:events:us-east-1:123456789012:rule/ec2-state-changes";
const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:ec2-state-changes";

fn answer(policy: &Value) -> Answer {
    evaluate(policy, &Request::of(Sender::Rule, RULE, QUEUE))
}

/// The answer for a policy of these statements, in a word, with what it comes from.
fn told(statements: &Value) -> String {
    match answer(&json!({ "Version": "2012-10-17", "Statement": statements })) {
        Answer::Allowed => "allowed".to_owned(),
        Answer::Denied(because) => format!("denied by {because}"),
        Answer::NotAllowed(None) => "not allowed".to_owned(),
        Answer::NotAllowed(Some(because)) => format!("not allowed, nearly by {because}"),
        Answer::Unknown(because) => format!("unknown by {because}"),
    }
}

#[test]
fn policies_from_reports_of_users_are_read_as_iam_reads_them() {
    for (policy, expected) in [
        (include_str!("cases/wild-suffix.json"), "allowed"),
        (include_str!("cases/notaction.json"), "allowed"),
        (include_str!("cases/principal-list.json"), "allowed"),
        (include_str!("cases/deny-all.json"), "denied by statement 2"),
        (
            include_str!("cases/deny-vpce.json"),
            "denied by statement 2 (StringNotEquals aws:SourceVpce)",
        ),
        (
            include_str!("cases/wrong-resource.json"),
            "not allowed, nearly by statement 1 (Resource)",
        ),
        (
            include_str!("cases/wrong-source-account.json"),
            "not allowed, nearly by statement 1 (StringEquals aws:SourceAccount)",
        ),
        (
            include_str!("cases/s3-only.json"),
            "not allowed, nearly by statement 1 (ArnLike aws:SourceArn)",
        ),
    ] {
        let policy: Value = serde_json::from_str(policy).unwrap();
        assert_eq!(told(&policy["Statement"]), expected, "{policy}");
    }
}

#[test]
fn principals_are_compared() {
    let statement = |key: &str, principal: Value| json!({ "Effect": "Allow", key: principal, "Action": "sqs:SendMessage" });
    for (key, principal, expected) in [
        ("Principal", json!("*"), "allowed"),
        ("Principal", json!({ "AWS": "*" }), "allowed"),
        ("Principal", json!({ "AWS": ["1", "*"] }), "allowed"),
        ("Principal", json!({ "Service": "events.amazonaws.com" }), "allowed"),
        ("Principal", json!({ "Service": ["events.amazonaws.com.cn"] }), "allowed"),
        ("Principal", json!({ "Service": "s3.amazonaws.com" }), "not allowed"),
        ("Principal", json!({ "AWS": "123456789012" }), "not allowed"),
        ("NotPrincipal", json!({ "Service": "events.amazonaws.com" }), "not allowed"),
        ("NotPrincipal", json!({ "Service": "s3.amazonaws.com" }), "allowed"),
    ] {
        assert_eq!(told(&statement(key, principal.clone())), expected, "{key} {principal}");
    }
    let nobody = json!({ "Effect": "Allow", "Action": "*" });
    assert_eq!(told(&nobody), "not allowed");
}

#[test]
fn actions_are_compared_without_case_and_with_wildcards() {
    let statement =
        |key: &str, action: Value| json!({ "Effect": "Allow", "Principal": "*", key: action });
    for (key, action, expected) in [
        ("Action", json!("SQS:SendMessage"), "allowed"),
        ("Action", json!("sqs:Send*"), "allowed"),
        ("Action", json!("*"), "allowed"),
        ("Action", json!(["sqs:ReceiveMessage", "sqs:?endMessage"]), "allowed"),
        ("Action", json!("sqs:SendMessageBatch"), "not allowed"),
        ("Action", json!("sns:*"), "not allowed"),
        ("NotAction", json!("sqs:*"), "not allowed"),
        ("NotAction", json!(["sqs:DeleteQueue"]), "allowed"),
    ] {
        assert_eq!(told(&statement(key, action.clone())), expected, "{key} {action}");
    }
}

#[test]
fn resources_are_compared_with_case() {
    let statement = |key: &str, resource: &str| json!({ "Effect": "Allow", "Principal": "*", "Action": "sqs:*", key: resource });
    let other = "not allowed, nearly by statement 1 (Resource)";
    for (key, resource, expected) in [
        ("Resource", QUEUE, "allowed"),
        ("Resource", "*", "allowed"),
        ("Resource", "arn:aws:sqs:*:*:ec2-?tate-*", "allowed"),
        ("Resource", "arn:aws:sqs:us-east-1:123456789012:EC2-state-changes", other),
        (
            "Resource",
            "arn:aws:sqs:us-east-1:123456789012:${aws:username}",
            "unknown by statement 1 (Resource)",
        ),
        ("NotResource", QUEUE, other),
        ("NotResource", "arn:aws:sqs:*:*:another", "allowed"),
    ] {
        assert_eq!(told(&statement(key, resource)), expected, "{key} {resource}");
    }
}

#[test]
fn what_nobody_knows_is_no_claim() {
    let allow = json!({ "Effect": "Allow", "Principal": "*", "Action": "sqs:*" });
    let deny = json!({
        "Sid": "OnlyOurs", "Effect": "Deny", "Principal": "*", "Action": "sqs:*",
        "Condition": { "StringNotEquals": { "aws:SourceOrgID": "o-1" } },
    });
    let unknown = "unknown by the statement OnlyOurs (StringNotEquals aws:SourceOrgID)";
    assert_eq!(told(&json!([allow, deny])), unknown);
    // Without an Allow there is nothing to doubt.
    assert_eq!(told(&json!([deny])), "not allowed");
    let perhaps = json!({
        "Effect": "Allow", "Principal": "*", "Action": "sqs:*",
        "Condition": { "StringEquals": { "aws:SourceOrgID": "o-1" } },
    });
    assert_eq!(told(&json!([perhaps])), "unknown by statement 1 (StringEquals aws:SourceOrgID)");
    assert_eq!(told(&json!([perhaps, allow])), "allowed");
}

#[test]
fn a_policy_without_statements_allows_nothing() {
    for policy in [json!({}), json!([]), json!("text"), json!({ "Statement": null })] {
        assert_eq!(answer(&policy), Answer::NotAllowed(None), "{policy}");
    }
}
