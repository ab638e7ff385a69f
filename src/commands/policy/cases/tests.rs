//! Tests of reading cases.

use super::*;
use crate::domain::policy::attribute::{Attribute, Value as AttributeValue};

const FILE: &str = r#"
regions = ["eu-west-1"]
[units]
sandbox = ["222222222222"]
[defaults]
account = "222222222222"
region = "eu-west-1"
now = 2026-12-02T10:00:00Z
[defaults.instance]
instanceType = "t3.micro"
tags = { Owner = "me" }
[[case]]
name = "a large instance is refused"
denies = ["sandbox-types"]
instance = { instanceType = "m5.large" }
[[case]]
name = "another is not"
denies = []
trigger = "tag"
id = "i-00000000"
instance.tags = { Name = "web" }
"#;

fn read(text: &str) -> Cases {
    Cases::read("c.toml", text)
}

fn mistake(case: &str) -> String {
    let cases = read(&format!("[[case]]\nname = \"x\"\ndenies = []\n{case}"));
    assert_eq!(cases.mistakes.len(), 1, "{:?}", cases.mistakes);
    cases.mistakes[0].clone()
}

#[test]
fn a_case_says_what_differs_from_the_defaults() {
    let Cases { list: cases, mistakes, units, .. } = read(FILE);
    assert_eq!(mistakes, Vec::<String>::new());
    assert!(units.contains_key("sandbox"));
    let [first, second] = &*cases else { panic!("{cases:?}") };
    assert_eq!((first.line, &*first.name), (12, "a large instance is refused"));
    assert_eq!(first.denies, BTreeSet::from(["sandbox-types".to_owned()]));
    let of_type = |case: &Case| case.stored.facts.attributes[&Attribute::InstanceType].clone();
    assert_eq!(of_type(first), AttributeValue::Text("m5.large".to_owned()));
    assert_eq!(of_type(second), AttributeValue::Text("t3.micro".to_owned()));
    assert_eq!(first.stored.facts.tags.keys().collect::<Vec<_>>(), ["Owner"]);
    assert_eq!(second.stored.facts.tags.keys().collect::<Vec<_>>(), ["Name"]);
    assert_eq!(second.stored.instance.as_str(), "i-00000000");
    let launched = &first.stored.facts.attributes[&Attribute::LaunchTime];
    assert_eq!(*launched, AttributeValue::Time(first.stored.now));
}

#[test]
fn a_mistake_names_file_line_case_and_key() {
    assert_eq!(
        mistake("instance = { imdsv2Required = \"no\" }"),
        "c.toml:1: case \"x\": instance.imdsv2Required is \"no\"; give true or false"
    );
    assert!(
        mistake("instance = { instanceTyp = \"m5.large\" }")
            .ends_with("case \"x\": instance.instanceTyp is not known; did you mean instanceType?")
    );
    assert_eq!(
        mistake("account = 1"),
        "c.toml:1: case \"x\": account is 1; give 12 digits in quotes"
    );
    assert_eq!(
        mistake("id = \"web\""),
        "c.toml:1: case \"x\": id is \"web\"; give an id such as i-0123456789abcdef0"
    );
    assert!(mistake("deny = []").contains("deny is not known; there are name, denies, account"));
}

#[test]
fn a_case_without_a_name_or_denials_is_refused() {
    for (text, said) in [
        ("[[case]]\ndenies = []", "c.toml:1: case \"\": name is missing; say in one line"),
        ("[[case]]\nname = \"x\"", "c.toml:1: case \"x\": denies is missing; list the ids"),
        ("[defaults]\nregion = \"x\"", "c.toml: case is missing; write a case under [[case]]"),
        ("[default]\n[[case]]", "c.toml: default is not known; did you mean defaults?"),
        ("[units]\na = [\"1\"]", "c.toml: units.a has 1; give accounts of 12 digits"),
        ("regions = [\"x\"]", "c.toml: regions has x; give regions such as eu-central-1"),
        ("name =", "c.toml:1:"),
    ] {
        let mistakes = read(text).mistakes;
        assert!(mistakes[0].starts_with(said), "{mistakes:?}");
    }
}

#[test]
fn a_case_of_an_instance_of_which_no_policy_is_asked_is_refused() {
    for state in ["pending", "terminated"] {
        assert_eq!(
            mistake(&format!("instance.state = \"{state}\"")),
            format!(
                "c.toml:1: case \"x\": instance.state is {state}, of which no policy is asked; \
                 give running or stopped"
            )
        );
    }
    let stopped = "[[case]]\nname = \"x\"\ndenies = []\ninstance.state = \"stopped\"";
    assert_eq!(read(stopped).mistakes, Vec::<String>::new());
}

#[test]
fn a_file_without_any_key_of_cases_is_none_of_them() {
    let cases = read("[policy]\nbuiltin = false");
    assert_eq!(cases.mistakes, Vec::<String>::new());
    assert!(cases.strangers[0].starts_with("c.toml: policy is not known; "), "{cases:?}");
}

#[test]
fn a_region_that_the_file_does_not_list_is_refused() {
    let text = FILE.replace("region = \"eu-west-1\"", "region = \"eu-west-2\"");
    let said = &read(&text).mistakes[0];
    assert!(said.contains("region is eu-west-2, which is not among the regions above"), "{said}");
}
