//! Tests of what becomes of lines, and how it is told.

use serde_json::{Value, json};

use super::*;
use crate::commands::lines::Line;
use crate::domain::policy::{Policies, Source, Sources, Vocabulary};

/// A policy that cannot be evaluated for any instance.
const FAULTY: &str = "@id(\"faulty\") @mode(\"enforce\")\n\
    forbid (principal, action == Action::\"run\", resource)\n\
    when { context.now.durationSince(datetime(\"1970-01-01\")).toMilliseconds()\n\
         * 9223372036854775807 > 0 };";

fn policies() -> Policies {
    let text = "@id(\"types\") @mode(\"enforce\")\n\
        forbid (principal, action == Action::\"run\", resource)\n\
        unless { resource.instanceType == \"t3.micro\" };"
        .to_owned();
    load(text)
}

fn load(text: String) -> Policies {
    let texts = vec![Source { name: "p.cedar".to_owned(), text }];
    let sources = Sources { texts, ..Sources::bare("KEEP") };
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
    replayed_by(&policies(), lines)
}

fn replayed_by(policies: &Policies, lines: &[&str]) -> (Vec<(usize, Replayed)>, Summary) {
    let replayed: Vec<_> = lines
        .iter()
        .zip(1..)
        .filter_map(|(text, number)| {
            let line = Line { number, text: (*text).to_owned() };
            Some((number, judged(policies, Content::of(&line)?)))
        })
        .collect();
    let mut summary = Summary::default();
    for (_, replayed) in &replayed {
        summary.count(replayed);
    }
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
    let mut report = Report::table();
    assert_eq!(report.lines(&replayed) + &report.end(&summary), expected);
    let complaints = report.complaints(&replayed);
    assert!(complaints[0].starts_with("line 3: is no JSON: "), "{complaints:?}");
    assert_eq!(complaints.len(), 1);
}

#[test]
fn lines_of_json_can_be_replayed_again() {
    let (first, summary) = replayed(&[&facts("m5.large"), "{", &facts("t3.micro")]);
    let text = Report::Json.lines(&first) + &Report::Json.end(&summary);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["replayed"]["verdict"], "stop");
    assert_eq!(lines[0]["replayed"]["policies"], json!(["types"]));
    assert!(lines[1]["replayed"]["error"].is_string());
    assert_eq!(
        lines[3]["summary"],
        json!({
            "lines": 3,
            "unreadable": 1,
            "faulty": 0,
            "verdicts": { "compliant": 1, "stop": 1 },
            "policies": [{ "policy": "types", "account": "222222222222", "starts": 1 }],
        })
    );
    let (again, summary) = replayed(&text.lines().collect::<Vec<_>>());
    assert_eq!((summary.lines, summary.unreadable), (3, 0));
    assert_eq!(summary.verdicts["stop"], 1);
    assert!(matches!(&again[1].1, Replayed::Ignored("no_facts")));
}

#[test]
fn facts_without_what_policies_read_are_unreadable_and_not_judged() {
    let (replayed, _) = replayed(&[&facts("x").replace("instanceType", "imageId")]);
    let complaint = "line 1: facts.instanceType is missing, and policies read it; give what it was";
    assert_eq!(Report::table().complaints(&replayed), [complaint]);
}

#[test]
fn a_policy_that_cannot_be_evaluated_is_told_and_leaves_nothing_compliant() {
    let (replayed, summary) = replayed_by(&load(FAULTY.to_owned()), &[&facts("x")]);
    let mut report = Report::table();
    assert!(report.lines(&replayed).contains("  undecided"), "{replayed:?}");
    assert!(report.complaints(&replayed)[0].starts_with("line 1: faulty cannot be evaluated: "));
    assert_eq!(report.end(&summary), "\n1 line: 1 undecided, 1 not fully evaluated\n");
}

#[test]
fn lines_that_were_recorded_by_policies_that_read_other_tags_are_not_judged() {
    let mut line: Value = serde_json::from_str(&facts("t3.micro")).unwrap();
    line["read"] = json!({ "tags": ["Owner"] });
    let (replayed, summary) = replayed(&[&line.to_string()]);
    assert_eq!(summary.unreadable, 1);
    let complaint = "line 1: read.tags lacks \"KEEP\", and policies read it; replay the events \
                     again with these policies";
    assert_eq!(Report::table().complaints(&replayed), [complaint]);
}

#[test]
fn a_long_summary_is_wrapped() {
    let verdicts = ["already_stopped", "compliant", "exempt", "gone", "ignored", "not_yet", "plan"];
    let more = ["refuse", "stop", "undecided", "warn", "would_stop"];
    let verdicts = verdicts.into_iter().chain(more).map(|verdict| (verdict, 1_000)).collect();
    let summary = Summary { lines: 12_000, verdicts, ..Summary::default() };
    let text = Report::table().end(&summary);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    assert!(text.ends_with(" 1000 warn, 1000 would_stop\n"), "{text}");
    assert_eq!(Report::table().end(&Summary::default()), "\n0 lines: nothing\n");
}
