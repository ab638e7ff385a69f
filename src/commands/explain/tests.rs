//! Tests of explanations.

use serde_json::{Value, json};

use super::*;
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
    load(POLICY)
}

fn load(text: &str) -> Policies {
    let texts = vec![Source { name: "p.cedar".to_owned(), text: text.to_owned() }];
    let sources = Sources { texts, ..Sources::bare("KEEP") };
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
What would exempt it: a tag of the key KEEP, whatever its value, but not from strict, which ignores it.
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

/// What would exempt an instance with this value of the exception tag, where dates end exemptions.
fn exemption(value: Option<&str>) -> (String, Value) {
    let texts = vec![Source { name: "p.cedar".to_owned(), text: POLICY.to_owned() }];
    let sources = Sources { exception_expires: true, texts, ..Sources::bare("KEEP") };
    let policies = Policies::load(&sources, &Vocabulary::default()).unwrap();
    let tags = value.map_or(json!({}), |value| json!({ "KEEP": value }));
    let facts = document(&json!({ "instanceType": "t3.micro", "tags": tags }));
    let explanation = Explanation::of(&policies, stored(&facts, &policies).unwrap());
    let text = explanation.to_string();
    let json: Value = serde_json::from_str(&explanation.json().unwrap()).unwrap();
    (text.lines().last().unwrap().to_owned(), json)
}

#[test]
fn until_when_an_exemption_lasts_or_when_it_ended_is_told() {
    let told = |value, key: &str| {
        let (line, json) = exemption(value);
        (line, json["exempted_by"][key].clone(), json["verdict"].as_str().unwrap().to_owned())
    };
    let (line, until, verdict) = told(Some("until=2026-12-31"), "until");
    let says = "What would exempt it: the tag KEEP does, until 2027-01-01T00:00:00Z.";
    assert_eq!(
        (line.as_str(), until, verdict.as_str()),
        (says, "2027-01-01T00:00:00Z".into(), "exempt")
    );
    let (line, ended, verdict) = told(Some("2026-12-01"), "ended");
    let says = "What would exempt it: a later date in the tag KEEP, which exempted it until \
                2026-12-02T00:00:00Z.";
    assert_eq!(
        (line.as_str(), ended, verdict.as_str()),
        (says, "2026-12-02T00:00:00Z".into(), "plan")
    );
    let (line, unclear, verdict) = told(Some("until=soon"), "unclear");
    assert!(
        line.ends_with("does, without end: its value looks like a date and is none."),
        "{line}"
    );
    assert_eq!((unclear, verdict.as_str()), ("until=soon".into(), "exempt"));
    let (line, none, _) = told(None, "until");
    assert!(
        line.ends_with("a tag of the key KEEP; a date in its value ends the exemption."),
        "{line}"
    );
    assert_eq!(none, Value::Null);
}

#[test]
fn a_policy_that_ignores_the_exception_tag_is_named_only_if_it_is_violated() {
    let (text, _) = explained(&json!({ "instanceType": "t3.micro" }));
    assert!(text.ends_with("a tag of the key KEEP, whatever its value.\n"), "{text}");
}

#[test]
fn of_a_stopped_instance_the_owner_is_warned_and_a_dry_run_says_that_it_is_stopped() {
    let stopped = |tags: Value| {
        explained(&json!({ "state": "stopped", "tags": tags, "instanceType": "t3.micro" })).0
    };
    let warned = stopped(json!({ "Owner": "me", "end": "2026-12-01" }));
    assert!(warned.contains("done: its owner would be told, though it is stopped.\n"), "{warned}");
    let dry = json!({ "state": "stopped", "tags": { "Owner": "me" } });
    let (dry, json) = explained(&dry);
    assert!(dry.contains("done: nothing, since this is a dry run; it is stopped"), "{dry}");
    assert_eq!(json["verdict"], "would_stop");
}

#[test]
fn an_instance_is_not_called_compliant_if_a_policy_cannot_be_evaluated() {
    let faulty = "@id(\"faulty\") @mode(\"enforce\")\n\
        forbid (principal, action == Action::\"run\", resource)\n\
        when { context.now.durationSince(datetime(\"1970-01-01\")).toMilliseconds()\n\
             * 9223372036854775807 > 0 };";
    let policies = load(faulty);
    let explanation = Explanation::of(&policies, stored(&document(&json!({})), &policies).unwrap());
    let text = explanation.to_string();
    assert!(text.contains("faulty  enforce  cannot be decided: "), "{text}");
    assert!(text.contains("nothing, since no policy that can be evaluated denies it."), "{text}");
    assert!(explanation.json().unwrap().contains("\"verdict\": \"undecided\""));
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
