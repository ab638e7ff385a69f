//! Tests of what is found to change, and how it is told.

use serde_json::json;

use super::*;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::{Source, Sources, Vocabulary};

/// A policy against all types but one.
fn policies(mode: &str, allowed: &str) -> Policies {
    let text = format!(
        "@id(\"types\") @mode(\"{mode}\") forbid (principal, action == Action::\"run\", resource)\n\
         unless {{ resource.instanceType == \"{allowed}\" }};"
    );
    let sources = Sources {
        exception_tag: "KEEP".to_owned(),
        builtin: false,
        grace: None,
        cap: Mode::Enforce,
        texts: vec![Source { name: "p.cedar".to_owned(), text }],
    };
    Policies::load(&sources, &Vocabulary::default()).unwrap()
}

fn line(instance_type: &str) -> Line {
    let json = json!({
        "account": "222222222222", "region": "eu-west-1", "instance": "i-0123456789abcdef0",
        "facts": { "instanceType": instance_type },
    });
    Line { number: 7, text: json.to_string() }
}

#[test]
fn a_start_is_newly_stopped_or_spared_by_what_is_enforced() {
    let (old, new) = (policies("enforce", "t3.micro"), policies("enforce", "m5.large"));
    let sets = [&old, &new];
    let change = |instance_type| change(&read(&line(instance_type), sets).unwrap().unwrap(), sets);
    assert_eq!(change("t3.micro"), Some(Change::NewlyStopped));
    assert_eq!(change("m5.large"), Some(Change::NewlySpared));
    assert_eq!(change("p3.2xlarge"), None);
    let (warns, stored) =
        (policies("warn", "t3.micro"), read(&line("m5.large"), sets).unwrap().unwrap());
    assert_eq!(super::change(&stored, [&warns, &old]), Some(Change::NewlyStopped));
    assert_eq!(super::change(&stored, [&old, &warns]), Some(Change::NewlySpared));
}

#[test]
fn changes_are_told_by_start_and_by_policy_and_account() {
    let (old, new) = (policies("enforce", "t3.micro"), policies("enforce", "m5.large"));
    let sets = [&old, &new];
    let changes: Vec<_> = ["t3.micro", "m5.large", "t3.micro", "p3.2xlarge"]
        .into_iter()
        .filter_map(|of_type| changed(7, read(&line(of_type), sets).unwrap().unwrap(), sets))
        .collect();
    let expected = "\
LINE  INSTANCE             ACCOUNT       CHANGE         POLICIES
7     i-0123456789abcdef0  222222222222  newly stopped  types
7     i-0123456789abcdef0  222222222222  newly spared   types
7     i-0123456789abcdef0  222222222222  newly stopped  types

CHANGE         POLICY  ACCOUNT       STARTS
newly stopped  types   222222222222  2
newly spared   types   222222222222  1

5 lines: 2 newly stopped, 1 newly spared; 1 cannot be read
";
    assert_eq!(report::text(&changes, 5, 1), expected);
    assert_eq!(report::text(&[], 1, 0), "1 line: 0 newly stopped, 0 newly spared\n");
}

#[test]
fn a_line_without_facts_or_without_what_policies_read_is_refused() {
    let policies = policies("enforce", "t3.micro");
    let refused = |text: &str| {
        let line = Line { number: 1, text: text.to_owned() };
        read(&line, [&policies, &policies]).unwrap_err()
    };
    assert!(refused("{}").starts_with("has no facts; "), "{}", refused("{}"));
    assert!(refused("{").starts_with("is no JSON: "), "{}", refused("{"));
    let text = line("x").text.replace("instanceType", "imageId");
    assert!(refused(&text).starts_with("facts.instanceType is missing"), "{}", refused(&text));
}
