//! Tests of what becomes of lines, and how it is told.

use serde_json::{Value, json};

use super::*;
use crate::commands::lines::Line;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::{Source, Sources, Vocabulary};

fn policies() -> Policies {
    let text = "@id(\"types\") @mode(\"enforce\")\n\
        forbid (principal, action == Action::\"run\", resource)\n\
        unless { resource.instanceType == \"t3.micro\" };"
        .to_owned();
    let sources = Sources {
        exception_tag: "KEEP".to_owned(),
        builtin: false,
        grace: None,
        cap: Mode::Enforce,
        texts: vec![Source { name: "p.cedar".to_owned(), text }],
    };
    Policies::load(&sources, &Vocabulary::default()).unwrap()
}

fn facts(instance_type: &str) -> String {
    let json = json!({
        "account": "222222222222", "region": "eu-west-1", "instance": "i-0123456789abcdef0",
        "now": "2026-12-02T10:00:00Z",
        "facts": { "instanceType": instance_type },
    });
    json.to_string()
}

fn replayed(lines: &[&str]) -> (Vec<(usize, Replayed)>, Summary) {
    let policies = policies();
    let replayed: Vec<_> = lines
        .iter()
        .zip(1..)
        .map(|(text, number)| {
            let line = Line { number, text: (*text).to_owned() };
            (number, judged(&policies, Content::of(&line)))
        })
        .collect();
    let summary = Summary::of(replayed.iter().map(|(_, replayed)| replayed));
    (replayed, summary)
}

#[test]
fn a_table_shows_each_start_and_counts_policies_by_account() {
    let lines = [&*facts("m5.large"), &facts("t3.micro"), "nothing", &facts("p3.2xlarge")];
    let (replayed, summary) = replayed(&lines);
    let expected = "\
LINE  INSTANCE             ACCOUNT       VERDICT    POLICIES
1     i-0123456789abcdef0  222222222222  stop       types
2     i-0123456789abcdef0  222222222222  compliant
4     i-0123456789abcdef0  222222222222  stop       types

POLICY  ACCOUNT       STARTS
types   222222222222  2

4 lines: 1 compliant, 2 stop, 1 unreadable
";
    assert_eq!(report::text(&replayed, &summary), expected);
    let complaints = report::complaints(&replayed);
    assert!(complaints[0].starts_with("line 3: is no JSON: "), "{complaints:?}");
    assert_eq!(complaints.len(), 1);
}

#[test]
fn lines_of_json_can_be_replayed_again() {
    let (first, summary) = replayed(&[&facts("m5.large"), "{", &facts("t3.micro")]);
    let text = report::json(&first, &summary);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["replayed"]["verdict"], "stop");
    assert_eq!(lines[0]["replayed"]["policies"], json!(["types"]));
    assert!(lines[1]["replayed"]["error"].is_string());
    assert_eq!(
        lines[3]["summary"],
        json!({
            "lines": 3,
            "unreadable": 1,
            "verdicts": { "compliant": 1, "stop": 1 },
            "policies": [{ "policy": "types", "account": "222222222222", "starts": 1 }],
        })
    );
    let (again, summary) = replayed(&text.lines().collect::<Vec<_>>());
    assert_eq!(summary.unreadable, 0);
    assert_eq!(summary.verdicts["stop"], 1);
    assert!(matches!(&again[1].1, Replayed::Ignored("no_facts")));
}

#[test]
fn facts_without_what_policies_read_are_unreadable_and_not_judged() {
    let (replayed, _) = replayed(&[&facts("x").replace("instanceType", "imageId")]);
    let complaint = "line 1: facts.instanceType is missing, and policies read it; give what it was";
    assert_eq!(report::complaints(&replayed), [complaint]);
}
