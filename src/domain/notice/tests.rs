use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use time::UtcDateTime;

use super::style::{Format, Style};
use super::told::{Reason, Told, owner};
use super::*;
use crate::domain::event::EventKey;
use crate::domain::ids::InstanceId;
use crate::domain::outcome::{CalledOff, Outcome, Refusal};
use crate::domain::policy::decision::Decision;
use crate::domain::policy::exemption::Exemption;
use crate::domain::policy::facts::Tags;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::rule::Rule;

pub(super) const NOW: UtcDateTime =
    UtcDateTime::UNIX_EPOCH.saturating_add(time::Duration::weeks(2900));
pub(super) const INSTANCE: &str = "i-0abcd1234abcd1234";

/// What is told of the instance of an event.
pub(super) fn told<'t>(key: &'t EventKey, outcome: Outcome, decision: &'t Decision) -> Told<'t> {
    Told {
        key,
        outcome,
        reason: Reason { decision: Some(decision), exception_tag: "KEEP", code: None },
        owner: "alice@example.com".to_owned(),
        launched: None,
        line: None,
    }
}

/// Policies of these ids in a mode, each with a description.
pub(super) fn decision(ids: &[&str], mode: Mode) -> Decision {
    let rule = |id: &&str| Rule {
        id: (*id).to_owned(),
        description: Some(format!("About {id}.")),
        ..Rule::builtin(mode, None)
    };
    Decision { denials: ids.iter().map(rule).map(Arc::new).collect(), ..Decision::allow() }
}

fn notice_of(event: &str, outcome: Outcome) -> Option<Notice> {
    let (key, decision) = (EventKey::example(event), Decision::plain());
    Notice::of(&told(&key, outcome, &decision), &Style::default(), NOW)
}

fn text_of(outcome: Outcome) -> String {
    notice_of("a", outcome).unwrap().message().to_owned()
}

/// The attributes of a notice, as names with values.
pub(super) fn attributes(notice: &Notice) -> Vec<(&str, &str)> {
    notice.attributes().map(|(name, value)| (name, value.as_str())).collect()
}

#[test]
fn a_stopped_instance_is_announced_in_the_words_of_the_contract() {
    assert_eq!(text_of(Outcome::Stopped), "EC2 i-0abcd1234abcd1234 Stopped");
    assert_eq!(SUBJECT, "EC2 Violated Company Policy!! Manager will be Notified!!");
}

#[test]
fn a_refusal_is_announced_with_its_reason() {
    let text = text_of(Outcome::Refused(Refusal::StopProtection));
    assert_eq!(text, "EC2 i-0abcd1234abcd1234 NOT stopped: stop protection");
}

#[test]
fn an_instance_for_which_ec2_keeps_failing_is_announced_with_ec2_s_code() {
    let (key, outcome) = (EventKey::example("a"), Outcome::Refused(Refusal::Failing));
    let decision = Decision::plain();
    let code = Some("InternalError");
    let reason = Reason { decision: None, exception_tag: "KEEP", code };
    let told = Told { reason, ..told(&key, outcome, &decision) };
    let notice = Notice::of(&told, &Style::default(), NOW).unwrap();
    let text = "EC2 i-0abcd1234abcd1234 NOT stopped: EC2 keeps failing (InternalError)";
    assert_eq!(notice.message(), text);
}

/// The text about an instance that was stopped after its exemption had ended.
fn text_after_the_end(rules: &[Rule]) -> String {
    let denials = rules.iter().cloned().map(Arc::new).collect();
    let exemption = Exemption::Ended(UtcDateTime::UNIX_EPOCH);
    let (key, decision) =
        (EventKey::example("a"), Decision { denials, ..Decision::exempted(exemption) });
    let told = told(&key, Outcome::Stopped, &decision);
    Notice::of(&told, &Style::default(), NOW).unwrap().message().to_owned()
}

#[test]
fn a_notice_says_when_the_exemption_ended() {
    let ended = "Its exemption ended at 1970-01-01T00:00Z; a later date in the tag KEEP exempts it \
                 again.";
    let builtin = Rule::builtin(Mode::Enforce, None);
    let other = Rule { id: "p".to_owned(), ..builtin.clone() };
    let ignoring = Rule { id: "q".to_owned(), ignores_exception: true, ..builtin.clone() };
    let first = "EC2 i-0abcd1234abcd1234 Stopped\n";
    assert_eq!(text_after_the_end(&[builtin]), format!("{first}{ended}"));
    let text = text_after_the_end(std::slice::from_ref(&other));
    assert_eq!(text, format!("{first}Policy p\n{ended}"));
    let text = text_after_the_end(&[other, ignoring.clone()]);
    let last = "The tag KEEP exempts from the others, but not from q.";
    assert_eq!(text, format!("{first}Policy p\nPolicy q\n{ended}\n{last}"));
    // No exemption spared from it.
    let last = "The tag KEEP does not exempt from q.";
    assert_eq!(text_after_the_end(&[ignoring]), format!("{first}Policy q\n{last}"));
}

#[test]
fn nobody_hears_of_an_instance_that_violates_nothing() {
    for outcome in [Outcome::Exempt, Outcome::Ignored, Outcome::Gone] {
        assert_eq!(notice_of("a", outcome), None);
    }
}

#[test]
fn the_deduplication_id_tells_events_outcomes_and_reasons_apart() {
    let id = |event, outcome| notice_of(event, outcome).unwrap().deduplication_id;
    let stopped = id("a", Outcome::Stopped);
    assert_eq!(stopped.len(), 64);
    assert_eq!(stopped, id("a", Outcome::Stopped));
    assert_ne!(stopped, id("b", Outcome::Stopped));
    let planned = |at| id("a", Outcome::Planned(at));
    let at = UtcDateTime::UNIX_EPOCH;
    assert_eq!(planned(at), planned(at + time::Duration::SECOND));
    assert_ne!(planned(at), planned(at + time::Duration::MINUTE));
    let managed = id("a", Outcome::Refused(Refusal::Managed));
    assert_ne!(stopped, managed);
    assert_ne!(managed, id("a", Outcome::Refused(Refusal::AccessDenied)));
}

#[test]
fn a_notice_that_sns_refused_is_its_text_alone() {
    let (key, decision) = (EventKey::example("a"), Decision::plain());
    let style = Style { attributes: true, format: Format::Json, ..Style::default() };
    let full = Notice::of(&told(&key, Outcome::Stopped, &decision), &style, NOW).unwrap();
    assert_eq!((full.subject(), full.structure()), (Some(SUBJECT), Some("json")));
    let plainest = full.clone().plainest();
    assert_eq!((plainest.subject(), plainest.structure()), (None, None));
    assert_eq!(plainest.message(), "EC2 i-0abcd1234abcd1234 Stopped");
    assert_eq!(plainest.attributes().count(), 0);
    assert_eq!(plainest.size(), plainest.message().len());
    let newer = plainest.replaced_by(Notice::new("", "other".to_owned()));
    assert_eq!((newer.subject(), newer.message()), (None, "other"));
    assert_eq!(plainest.full(), full);
}

#[test]
fn by_default_a_notice_has_no_attributes_and_one_form() {
    let notice = notice_of("a", Outcome::Stopped).unwrap();
    assert_eq!((notice.attributes().count(), notice.structure()), (0, None));
}

#[test]
fn attributes_tell_what_filters_ask_for_and_empty_ones_are_left_out() {
    let (key, style) = (EventKey::example("a"), Style { attributes: true, ..Style::default() });
    let decision = decision(&["no-gpu", "team-tag"], Mode::Enforce);
    let of = |outcome| Notice::of(&told(&key, outcome, &decision), &style, NOW).unwrap();
    let place = [("account", "123456789012"), ("region", "us-east-1"), ("instance", INSTANCE)];
    let why = [
        ("policy", r#"["no-gpu","team-tag"]"#),
        ("mode", "enforce"),
        ("owner", "alice@example.com"),
    ];
    let expected = |first: &[(&'static str, &'static str)]| [first, &place, &why].concat();
    let planned = of(Outcome::Planned(NOW));
    assert_eq!(attributes(&planned), expected(&[("kind", "planned"), ("outcome", "planned")]));
    let called_off = of(Outcome::CalledOff(CalledOff::Exempt));
    assert_eq!(
        attributes(&called_off),
        expected(&[("kind", "called_off"), ("outcome", "called_off"), ("reason", "exempt")])
    );
    let refused = of(Outcome::Refused(Refusal::OwnHost));
    assert_eq!(
        attributes(&refused),
        expected(&[("kind", "outcome"), ("outcome", "refused"), ("reason", "own_host")])
    );
    let types: Vec<_> = refused.attributes().map(|(_, value)| value.data_type()).collect();
    assert_eq!(types.iter().filter(|it| **it == "String.Array").count(), 1);
    let undecided = Decision::allow();
    let bare = Notice::of(&told(&key, Outcome::Stopped, &undecided), &style, NOW).unwrap();
    assert!(!attributes(&bare).iter().any(|(name, _)| matches!(*name, "policy" | "mode")));
}

#[test]
fn the_first_owner_tag_that_is_there_and_not_blank_names_the_owner() {
    let keys = ["Owner".to_owned(), "team".to_owned()];
    let tags = |pairs: &[(&str, &str)]| -> Tags {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    };
    let of = |pairs: &[(&str, &str)]| owner(&[&tags(pairs)], &keys);
    assert_eq!(of(&[("team", "web"), ("Owner", "alice")]), "alice");
    assert_eq!(of(&[("team", "web"), ("Owner", " ")]), "web");
    assert_eq!(of(&[("owner", "alice")]), "unknown");
    assert_eq!(of(&[("Owner", "a\nEC2 i-1 Stopped\u{2028}")]), "aEC2 i-1 Stopped");
    let (older, newer) = (tags(&[("Owner", "alice")]), tags(&[("Owner", "bob"), ("team", "web")]));
    assert_eq!(owner(&[&newer, &older], &keys), "bob");
    assert_eq!(owner(&[&tags(&[]), &older], &keys), "alice");
}

/// Any owner, outcome and number of policies that the settings allow.
fn any_told() -> impl Strategy<Value = (String, usize, u8)> {
    (".{0,256}", 0..100_usize, any::<u8>())
}

fn outcome(number: u8) -> Outcome {
    match number % 5 {
        0 => Outcome::Stopped,
        1 => Outcome::Planned(NOW),
        2 => Outcome::CalledOff(CalledOff::NotEnforced),
        3 => Outcome::Warned,
        _ => Outcome::Refused(Refusal::Failing),
    }
}

/// Policies with ids and descriptions of the longest kind.
fn longest(count: usize) -> Decision {
    let ids: Vec<_> = (0..count).map(|number| format!("{number:0>64}")).collect();
    let mut decision = decision(&ids.iter().map(|id| &**id).collect::<Vec<_>>(), Mode::Enforce);
    for rule in &mut decision.denials {
        Arc::make_mut(rule).description = Some("\"".repeat(200));
    }
    decision
}

proptest! {
    #![proptest_config(Config { cases: 24, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_notice_of_one_instance_is_too_large((name, policies, kind) in any_told()) {
        let (key, decision) = (EventKey::example("a"), longest(policies));
        let tags = Tags::from([("Owner".to_owned(), name)]);
        let told = Told {
            owner: owner(&[&tags], &["Owner".to_owned()]),
            line: Some("x".repeat(20_000)),
            ..told(&key, outcome(kind), &decision)
        };
        let style = Style { attributes: true, format: Format::Json, ..Style::default() };
        let notice = Notice::of(&told, &style, NOW).unwrap();
        prop_assert!(notice.size() <= SIZE_LIMIT, "{}", notice.size());
        for (_, value) in notice.attributes() {
            prop_assert!(!value.as_str().is_empty());
        }
        let forms: serde_json::Value = serde_json::from_str(notice.message()).unwrap();
        let plain = notice.clone().plainest();
        prop_assert_eq!(forms["default"].as_str(), Some(plain.message()));
        prop_assert_eq!(&forms["default"], &forms["email"]);
        prop_assert_eq!(&forms["sqs"], &forms["lambda"]);
    }

    #[test]
    fn no_text_of_a_chat_is_longer_than_its_schema_takes((name, policies, kind) in any_told()) {
        let (key, decision) = (EventKey::example("a"), longest(policies));
        let one = Told { owner: name, ..told(&key, outcome(kind), &decision) };
        let all = vec![one.clone(); 60];
        let style = Style { format: Format::Json, ..Style::default() };
        for notice in [Notice::of(&one, &style, NOW).unwrap(), Notice::digest(&all, &style)] {
            let forms: serde_json::Value = serde_json::from_str(notice.message()).unwrap();
            let chat: serde_json::Value =
                serde_json::from_str(forms["https"].as_str().unwrap()).unwrap();
            let longest = |value: &serde_json::Value| {
                let texts = value.as_array().into_iter().flatten().chain([value]);
                texts.filter_map(|it| it.as_str()).map(|it| it.chars().count()).max().unwrap_or(0)
            };
            let content = &chat["content"];
            prop_assert!(longest(&content["title"]) <= 250);
            prop_assert!(longest(&content["description"]) <= 8000);
            prop_assert!(longest(&content["nextSteps"]) <= 350);
            prop_assert!(longest(&content["keywords"]) <= 75);
            prop_assert_eq!(chat["version"].as_str(), Some("1.0"));
        }
    }
}

/// An event about the instance of this number.
pub(super) fn key(number: usize) -> EventKey {
    let instance = InstanceId::parse(&format!("i-{number:017x}")).unwrap();
    EventKey { instance, ..EventKey::example(&number.to_string()) }
}
