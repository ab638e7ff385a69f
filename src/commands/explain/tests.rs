//! Tests of explanations.

use serde_json::{Value, json};

use super::*;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::{Source, Sources, Vocabulary};

const POLICY: &str = r#"@id("end") @mode("warn")
forbid (principal, action == Action::"run", resource)
when { resource.dates.hasTag("end") && resource.dates.getTag("end") < context.now };
@id("owner") @mode("enforce") @grace("4h") @since("2026-12-01")
forbid (principal, action == Action::"run", resource)
unless { resource.hasTag("Owner") };
@id("strict") @mode("dry-run") @exception("ignored")
forbid (principal, action == Action::"run", resource)
when { resource.instanceType like "p*" };"#;

fn policies() -> Policies {
    let texts = vec![Source { name: "p.cedar".to_owned(), text: POLICY.to_owned() }];
    let exception_tag = "KEEP".to_owned();
    let sources = Sources { exception_tag, builtin: false, grace: None, cap: Mode::Enforce, texts };
    Policies::load(&sources, &Vocabulary::default()).unwrap()
}

fn document(facts: &Value) -> String {
    let mut document = json!({
        "account": "222222222222", "region": "eu-west-1", "instance": "i-0123456789abcdef0",
        "now": "2026-12-02T10:00:00Z",
        "facts": { "instanceType": "p3.2xlarge", "launchTime": "2026-12-02T09:00:00Z" },
    });
    document["facts"].as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
    document.to_string()
}

fn explained(facts: &Value) -> (String, Value) {
    let policies = policies();
    let explanation = Explanation::of(&policies, stored(&document(facts), &policies).unwrap());
    (explanation.to_string(), serde_json::from_str(&explanation.json().unwrap()).unwrap())
}

#[test]
fn an_instance_is_explained_with_its_facts_policies_deadline_and_exemption() {
    let (text, json) = explained(&json!({ "tags": { "end": "2026-12-01", "Name": "web" } }));
    let expected = "\
i-0123456789abcdef0 in account 222222222222, eu-west-1, at 2026-12-02T10:00:00Z (start)

FACT          VALUE
state         running
instanceType  p3.2xlarge
launchTime    2026-12-02T09:00:00Z
tag KEEP      -
tag Owner     -
tag end       \"2026-12-01\"
date in end   2026-12-02T00:00:00Z

POLICY  MODE     VERDICT
end     warn     denies
owner   enforce  denies
strict  dry-run  denies

What would be done: its owner would be told, and it would be stopped at 2026-12-02T13:00:00Z unless it complies by then.
What would exempt it: a tag of the key KEEP, whatever its value, but not from strict, which bind it even so.
";
    assert_eq!(text, expected);
    assert_eq!((&json["verdict"], &json["at"]), (&json!("plan"), &json!("2026-12-02T13:00:00Z")));
    assert_eq!(json["policies"][1]["grace"], "4h");
    assert_eq!(json["exempted_by"], json!({ "tag": "KEEP", "except_from": ["strict"] }));
}

#[test]
fn what_is_seen_can_be_explained_again() {
    let (_, json) = explained(&json!({ "tags": { "Owner": "me" } }));
    let policies = policies();
    let again = stored(&json["seen"].to_string(), &policies).unwrap();
    assert_eq!(Explanation::of(&policies, again).stored.json(), json["seen"]);
}

#[test]
fn the_exception_tag_spares_from_all_but_those_that_ignore_it() {
    let (text, json) = explained(&json!({ "tags": { "KEEP": "" } }));
    let says: Vec<_> =
        json["policies"].as_array().unwrap().iter().map(|it| &it["verdict"]).collect();
    assert_eq!(says, ["spared", "spared", "denies"]);
    assert_eq!(json["verdict"], "would_stop");
    assert!(
        text.contains("What would exempt it: the tag KEEP does, but not from strict"),
        "{text}"
    );
}

#[test]
fn readings_that_differ_are_both_shown_and_stop_nothing() {
    let tags = json!({ "tags": {}, "firstTags": { "Owner": "me" }, "instanceType": "t3.micro" });
    let (text, json) = explained(&tags);
    assert!(
        text.contains("tag Owner     - by DescribeInstances, \"me\" by DescribeTags\n"),
        "{text}"
    );
    assert!(text.contains("owner   enforce  denies, by DescribeInstances alone\n"), "{text}");
    assert_eq!((&json["verdict"], &json["reason"]), (&json!("not_yet"), &json!("tags_disagree")));
}

#[test]
fn facts_that_cannot_be_read_are_told() {
    let said = |text: &str| format!("{:#}", stored(text, &policies()).unwrap_err());
    assert!(said("{").starts_with("the facts are no JSON: "), "{}", said("{"));
    let text = document(&json!({})).replace("instanceType", "instanceTyp");
    assert!(
        said(&text).starts_with("cannot read the facts: facts.instanceTyp is not known; did you")
    );
    let text = document(&json!({ "instanceType": null }));
    let remedy = "cannot read the facts: facts.instanceType is missing, and policies read it; give";
    assert!(said(&text).starts_with(remedy), "{}", said(&text));
}
