//! Tests of how results are found and told.

use super::*;
use crate::commands::policy::cases::Cases;
use crate::domain::policy::{Source, Sources};

const POLICY: &str = r#"@id("types") @mode("warn")
forbid (principal, action == Action::"run", resource)
unless { resource.instanceType == "t3.micro" };
@id("owner") @mode("enforce")
forbid (principal, action == Action::"run", resource)
unless { resource.hasTag("Owner") };"#;

fn policies() -> Policies {
    let texts = vec![Source { name: "p.cedar".to_owned(), text: POLICY.to_owned() }];
    let sources = Sources { texts, ..Sources::bare("KEEP") };
    Policies::load(&sources, &Cases::default().vocabulary()).unwrap()
}

fn cases(text: &str) -> Cases {
    let cases = Cases::read("c.toml", text);
    assert_eq!(cases.mistakes, Vec::<String>::new());
    cases
}

fn failures(denies: &str, instance: &str) -> Vec<String> {
    let text = format!("[[case]]\nname = \"x\"\ndenies = {denies}\ninstance = {{ {instance} }}");
    decide(&policies(), &cases(&text).list[0]).failures
}

#[test]
fn a_case_passes_if_exactly_the_policies_that_it_names_deny() {
    let none: Vec<String> = Vec::new();
    assert_eq!(failures("[\"owner\"]", ""), none);
    assert_eq!(failures("[\"types\", \"owner\"]", "instanceType = \"m5.large\""), none);
    assert_eq!(failures("[]", "tags = { Owner = \"me\" }"), none);
    assert_eq!(failures("[]", "tags = { KEEP = \"\" }"), none);
}

#[test]
fn it_fails_for_a_denial_that_does_not_come_and_for_one_that_nobody_expected() {
    assert_eq!(
        failures("[\"types\"]", ""),
        ["types should deny, and does not", "owner denies, and should not"]
    );
}

#[test]
fn a_policy_that_no_case_denies_by_or_spares_from_is_missed() {
    let cases = cases("[[case]]\nname = \"x\"\ndenies = [\"owner\"]");
    let ids = ["owner", "types"].map(str::to_owned).into();
    let failures: Vec<_> =
        required(&cases, &ids).into_iter().flat_map(|result| result.failures).collect();
    assert_eq!(failures, ["no case expects owner not to deny", "no case expects types to deny"]);
}

#[test]
fn an_unknown_policy_is_a_mistake_of_the_case() {
    let mut cases = cases("[[case]]\nname = \"x\"\ndenies = [\"ownr\"]");
    cases.refuse_unknown(&["owner".to_owned()].into());
    let said = "c.toml:1: case \"x\": denies has ownr, which is no policy here; there are owner";
    assert_eq!(cases.mistakes, [said]);
}

#[test]
fn junit_has_a_suite_for_each_file_and_escapes_what_means_something_to_xml() {
    let result = |name: &str, failures: &[&str]| TestResult {
        file: "c.toml".to_owned(),
        line: Some(3),
        name: name.to_owned(),
        failures: failures.iter().map(|text| (*text).to_owned()).collect(),
    };
    let xml = junit::xml(&[result("a < b", &[]), result("c", &["d & e", "f"])]);
    assert_eq!(
        xml,
        r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" errors="0">
  <testsuite name="c.toml" tests="2" failures="1" errors="0">
    <testcase name="a &lt; b" classname="c.toml" file="c.toml" line="3"/>
    <testcase name="c" classname="c.toml" file="c.toml" line="3">
      <failure message="d &amp; e; f">d &amp; e; f</failure>
    </testcase>
  </testsuite>
</testsuites>
"#
    );
}
