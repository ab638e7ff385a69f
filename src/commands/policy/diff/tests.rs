//! Tests of what is found to change, and how it is told.

use serde_json::{Value, json};

use super::*;
use crate::domain::policy::{Source, Sources, Vocabulary};

/// A policy against all types but one.
fn policies(mode: &str, allowed: &str) -> Policies {
    let text = format!(
        "@id(\"types\") @mode(\"{mode}\") forbid (principal, action == Action::\"run\", resource)\n\
         unless {{ resource.instanceType == \"{allowed}\" }};"
    );
    load(text)
}

fn load(text: String) -> Policies {
    let texts = vec![Source { name: "p.cedar".to_owned(), text }];
    let sources = Sources { texts, ..Sources::bare("KEEP") };
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
    let mut report = Report::new();
    for of_type in ["t3.micro", "m5.large", "t3.micro", "p3.2xlarge"] {
        report.add(compare(&line(of_type), sets)).unwrap();
    }
    let unreadable = Line { number: 8, text: "{".to_owned() };
    assert!(report.add(compare(&unreadable, sets)).is_err());
    let expected = "\
LINE  INSTANCE             ACCOUNT       CHANGE         POLICIES
7     i-0123456789abcdef0  222222222222  newly stopped  types
7     i-0123456789abcdef0  222222222222  newly spared   types
7     i-0123456789abcdef0  222222222222  newly stopped  types

CHANGE         POLICY  ACCOUNT       STARTS
newly stopped  types   222222222222  2
newly spared   types   222222222222  1

5 lines: 2 newly stopped, 1 newly spared; 1 cannot be decided
";
    assert_eq!(report.starts() + &report.end(), expected);
    let mut none = Report::new();
    none.add(compare(&line("p3.2xlarge"), sets)).unwrap();
    assert_eq!(none.starts() + &none.end(), "1 line: 0 newly stopped, 0 newly spared\n");
}

#[test]
fn a_start_counts_by_what_denies_it_also_if_its_instance_is_stopped_now_or_cannot_be() {
    let (old, new) = (policies("warn", "t3.micro"), policies("enforce", "t3.micro"));
    let sets = [&old, &new];
    for more in [
        json!({ "state": "stopped" }),
        json!({ "managed": true }),
        json!({ "rootDeviceType": "instance-store" }),
    ] {
        let stored = read(&with(&more), sets).unwrap().unwrap();
        assert_eq!(change(&stored, sets), Some(Change::NewlyStopped), "{more}");
    }
    let gone = compare(&with(&json!({ "state": "terminated" })), sets);
    assert!(matches!(gone, Ok(Some(Compared::NotAsked))), "{gone:?}");
}

/// A line with more facts.
fn with(more: &Value) -> Line {
    let mut json: Value = serde_json::from_str(&line("m5.large").text).unwrap();
    json["facts"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Line { number: 7, text: json.to_string() }
}

#[test]
fn a_start_is_not_compared_by_a_policy_that_cannot_be_evaluated() {
    let faulty = load(
        "@id(\"faulty\") @mode(\"enforce\")\n\
         forbid (principal, action == Action::\"run\", resource)\n\
         when { context.now.durationSince(datetime(\"1970-01-01\")).toMilliseconds()\n\
              * 9223372036854775807 > 0 };"
            .to_owned(),
    );
    let other = policies("enforce", "t3.micro");
    for sets in [[&faulty, &other], [&other, &faulty]] {
        let said = compare(&line("m5.large"), sets).unwrap_err();
        assert!(said.starts_with("faulty cannot be evaluated: "), "{said}");
    }
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
