//! A property test: whatever the facts and the policies, no two entrances disagree. The line's
//! verdict, `explain`, `replay`, `policy test` and `policy diff` are given the same instance, each
//! in its own form.

use std::collections::BTreeSet;

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestCaseError;
use proptest::{option, prop_assert, prop_assert_eq};
use serde_json::Value;

use super::explain::Explanation;
use super::judging::{is_denied, words};
use super::lines::Line;
use super::policy::cases::Cases;
use super::policy::diff::{Change, change};
use super::policy::test::decide;
use super::replay::{Content, Replayed, judged};
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::attribute::{Attribute, Value as Attributed};
use crate::domain::policy::facts::{Facts, InstanceState, Tags};
use crate::domain::policy::occasion::Trigger;
use crate::domain::policy::stored::{Stored, sample};
use crate::domain::policy::verdict::{Judgement, SecondLook, StopSoFar};
use crate::domain::policy::{Policies, Source, Sources, Vocabulary, dates};
use crate::retry::delays;

/// Conditions of policies.
const CONDITIONS: [&str; 6] = [
    "unless { resource.hasTag(\"Owner\") && resource.getTag(\"Owner\") like \"*@*\" }",
    "when { resource.instanceType like \"p*\" }",
    "when { resource has lifecycle && resource.lifecycle == \"spot\" }",
    "when { resource.dates.hasTag(\"end\") && resource.dates.getTag(\"end\") < context.now }",
    "when { context.trigger == \"sweep\" || resource in Region::\"eu-west-1\" }",
    "when { resource.launchTime.offset(duration(\"1d\")) < context.now }",
];
const TIMES: [&str; 3] = ["2026-11-30T10:00:00Z", "2026-12-02T10:00:00Z", "2027-01-01T00:00:00Z"];

/// Some of the policies, each with any mode, grace and treatment of the exception tag.
fn policies() -> impl Strategy<Value = Policies> {
    let head = (
        select(vec!["dry-run", "warn", "enforce"]),
        select(vec!["", "@grace(\"4h\") @since(\"2026-12-01\")"]),
        select(vec!["", "", "@exception(\"ignored\")"]),
    );
    let texts = subsequence((0..CONDITIONS.len()).collect::<Vec<_>>(), 1..=CONDITIONS.len());
    let switches = (any::<bool>(), any::<bool>());
    (texts, vec(head, CONDITIONS.len()), switches).prop_map(|(chosen, heads, switches)| {
        let text = chosen.into_iter().map(|number| {
            let (mode, grace, exception) = heads[number];
            let condition = CONDITIONS[number];
            format!(
                "@id(\"p{number}\") @mode(\"{mode}\") {grace} {exception}\n\
                 forbid (principal, action == Action::\"run\", resource) {condition};\n"
            )
        });
        load(text.collect(), switches)
    })
}

/// Loads policies, beside the built-in one or without it, and with exemptions that end or without.
fn load(text: String, (builtin, exception_expires): (bool, bool)) -> Policies {
    let texts = if text.is_empty() {
        Vec::new()
    } else {
        vec![Source { name: "p.cedar".to_owned(), text }]
    };
    let sources = Sources { exception_expires, builtin, texts, ..Sources::bare("KEEP") };
    Policies::load(&sources, &Vocabulary::default()).unwrap()
}

fn tags() -> impl Strategy<Value = Tags> {
    let key = select(vec!["Owner", "end", "KEEP", "Name"]).prop_map(str::to_owned);
    let value = select(vec![
        "",
        "me@example.com",
        "2026-12-01",
        "x until=2026-12-31",
        "until=tomorrow",
        "\"\\ä",
    ]);
    btree_map(key, value.prop_map(str::to_owned), 0..4)
}

fn time() -> impl Strategy<Value = time::UtcDateTime> {
    select(TIMES.to_vec()).prop_map(|time| dates::beginning(time).unwrap())
}

fn facts() -> impl Strategy<Value = Facts> {
    let states = [
        InstanceState::Running,
        InstanceState::Running,
        InstanceState::Stopped,
        InstanceState::Pending,
        InstanceState::Terminated,
    ];
    let words = (
        select(vec!["t3.micro", "p3.2xlarge"]),
        option::of(select(vec!["spot", "scheduled"])),
        select(vec!["ebs", "ebs", "instance-store"]),
    );
    (select(states.to_vec()), tags(), words, time(), prop_oneof![Just(false), any::<bool>()])
        .prop_map(|(state, tags, (of_type, lifecycle, root), launched, is_managed)| {
            let text = |text: &str| Attributed::Text(text.to_owned());
            let mut attributes: std::collections::BTreeMap<_, _> = [
                (Attribute::InstanceType, text(of_type)),
                (Attribute::RootDeviceType, text(root)),
                (Attribute::LaunchTime, Attributed::Time(launched)),
            ]
            .into();
            attributes.extend(lifecycle.map(|it| (Attribute::Lifecycle, text(it))));
            Facts {
                state,
                tags,
                attributes,
                is_spot: lifecycle == Some("spot"),
                has_instance_store_root: root == "instance-store",
                is_managed,
                stopped: None,
            }
        })
}

fn seen() -> impl Strategy<Value = Stored> {
    let place = (select(vec!["eu-west-1", "us-east-1"]), select(Trigger::ALL.to_vec()));
    (facts(), option::of(tags()), time(), option::of(time()), place).prop_map(
        |(facts, other, now, started, (region, trigger))| Stored {
            account: Account::parse("222222222222").unwrap(),
            region: Region::parse(region).unwrap(),
            instance: InstanceId::parse(sample::INSTANCE).unwrap(),
            first_tags: other.unwrap_or_else(|| facts.tags.clone()),
            facts,
            now,
            trigger,
            started,
            read_tags: None,
        },
    )
}

/// The verdict that the line gives on a message of some age.
fn by_the_line(policies: &Policies, seen: &Stored) -> Judgement {
    let look = SecondLook {
        subject: seen.subject(),
        first_tags: &seen.first_tags,
        facts: Some(&seen.facts),
        was_absent: false,
        is_recent: false,
        is_own_host: false,
        started: seen.started,
        told: None,
        earliest_stop: Some(seen.now + delays::MIN_NOTICE),
        stop: StopSoFar::NotSent,
    };
    policies.verdict(look, &policies.occasion(seen.now, seen.trigger))
}

/// A test case of an instance, which expects these policies to deny.
fn case(seen: &Stored, denies: &BTreeSet<String>) -> String {
    let json = seen.json();
    format!(
        "[[case]]\nname = \"any\"\ndenies = {}\naccount = {}\nregion = {}\nnow = {}\n\
         trigger = {}\ninstance = {}\n",
        toml(&serde_json::json!(denies)),
        json["account"],
        json["region"],
        json["now"],
        json["trigger"],
        toml(&json["facts"]),
    )
}

fn toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("\"{key}\" = {}", toml(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// What is wrong with the case of an instance that expects these policies to deny.
fn failures(policies: &Policies, seen: &Stored, denies: &BTreeSet<String>) -> Vec<String> {
    let cases = Cases::read("c.toml", &case(seen, denies));
    assert_eq!(cases.mistakes, Vec::<String>::new());
    decide(policies, &cases.list[0]).failures
}

/// Fewer than elsewhere, since each loads policies, by which several instances are judged.
const CASES: u32 = 24;
/// How many instances are judged by the same policies.
const INSTANCES: usize = 8;

fn config() -> ProptestConfig {
    ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_two_entrances_disagree(policies in policies(), all in vec(seen(), INSTANCES)) {
        for seen in all {
            agree(&policies, &seen)?;
        }
    }
}

/// Gives every entrance the same instance.
fn agree(policies: &Policies, seen: &Stored) -> Result<(), TestCaseError> {
    let expected = by_the_line(policies, seen);
    let denies: BTreeSet<_> =
        expected.decision.denials.iter().map(|rule| rule.id.clone()).collect();
    let line = Line { number: 1, text: seen.json().to_string() };
    let replayed = Content::of(&line).map(|content| judged(policies, content));
    let Some(Replayed::Judged(judged)) = replayed else {
        panic!("cannot read {}", line.text);
    };
    let (read, judgement) = *judged;
    prop_assert_eq!(&judgement, &expected);
    prop_assert_eq!(&read, seen);
    explains(policies, &read, (&expected, &denies))?;
    tests(policies, seen, &denies)?;
    compares(policies, &read, is_denied(&expected))
}

/// `explain` says the same.
fn explains(
    policies: &Policies,
    seen: &Stored,
    (expected, denies): (&Judgement, &BTreeSet<String>),
) -> Result<(), TestCaseError> {
    let explanation = Explanation::of(policies, seen.clone());
    prop_assert_eq!(&explanation.judgement, expected);
    let json: Value = serde_json::from_str(&explanation.json().unwrap()).unwrap();
    prop_assert_eq!(&json["verdict"], words::label(expected));
    let says = json["policies"].as_array().unwrap().iter();
    let says = says.filter(|policy| policy["verdict"] == "denies");
    let says: BTreeSet<_> = says.map(|policy| policy["id"].as_str().unwrap().to_owned()).collect();
    prop_assert_eq!(&says, denies);
    Ok(())
}

/// `policy test` passes for these denials, and fails for one more or one less.
fn tests(
    policies: &Policies,
    seen: &Stored,
    denies: &BTreeSet<String>,
) -> Result<(), TestCaseError> {
    // Cases about others are refused, since no policy is asked about them.
    if !matches!(seen.facts.state, InstanceState::Running | InstanceState::Stopped) {
        return Ok(());
    }
    prop_assert_eq!(failures(policies, seen, denies), Vec::<String>::new());
    let mut others = denies.clone();
    if others.pop_first().is_none() {
        others.extend(policies.rules().next().map(|rule| rule.id.clone()));
    }
    prop_assert_eq!(failures(policies, seen, &others).len(), 1);
    Ok(())
}

/// `policy diff` finds the same stop, new or old.
fn compares(policies: &Policies, seen: &Stored, stopped: bool) -> Result<(), TestCaseError> {
    let none = load(String::new(), (false, false));
    prop_assert_eq!(change(seen, [&none, policies]), stopped.then_some(Change::NewlyStopped));
    prop_assert_eq!(change(seen, [policies, &none]), stopped.then_some(Change::NewlySpared));
    prop_assert!(change(seen, [policies, policies]).is_none());
    Ok(())
}
