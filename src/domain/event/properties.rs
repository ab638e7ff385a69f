//! What holds of every body, not only of those that somebody thought of.

use std::fs;

use proptest::arbitrary::any;
use proptest::sample::{Index, subsequence};
use proptest::strategy::{Just, Strategy};
use proptest::test_runner::Config;
use proptest::{prop_assert, prop_assert_eq, prop_assert_ne, prop_oneof, proptest};
use serde_json::{Map, Value, json};

use super::{Account, InstanceId, Members, Reading, Region, Scope, parse};

use super::bodies::{self, FIELDS, INSTANCE, OPTIONAL};
use super::oracle;

const MESSAGE_ID: &str = "0c6f3b52-5d0e-4b7e-9a39-2f4f5b8f7c11";
/// Finds are turned into tests by hand; no file is written beside the source.
fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

fn scope() -> Scope {
    Scope {
        account: Account::parse("123456789012").unwrap(),
        members: Members::default(),
        regions: ["us-east-1", "eu-central-1"].into_iter().filter_map(Region::parse).collect(),
        tag_changes: true,
    }
}

fn read(body: &str) -> Reading {
    oracle::read(&scope(), body, MESSAGE_ID)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_body_can_make_the_reader_panic(body in any::<Vec<u8>>(), id in ".*") {
        scope().read(&String::from_utf8_lossy(&body), &id);
    }

    #[test]
    fn no_json_is_read_as_more_than_it_says(body in bodies::json()) {
        read(&body.to_string());
        read(&bodies::in_envelope(&body.to_string()));
    }

    #[test]
    fn json_with_distinct_keys_means_what_serde_json_takes_it_for(value in bodies::json()) {
        let text = json!({ "value": value }).to_string();
        let expected: Map<String, Value> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(parse(&text), Ok(expected));
    }

    #[test]
    fn an_event_with_slips_is_read_as_what_it_says(event in bodies::near_event()) {
        read(&event.to_string());
        read(&bodies::in_envelope(&event.to_string()));
    }

    #[test]
    fn an_event_with_a_character_changed_is_read_as_what_it_says(
        body in bodies::misspelt(&bodies::event().to_string()),
        message in bodies::misspelt(&bodies::in_envelope(&bodies::event().to_string())),
    ) {
        read(&body);
        read(&message);
    }

    #[test]
    fn a_sound_event_is_read_whatever_else_it_carries(
        (left_out, body) in subsequence(&OPTIONAL[..], 0..=4).prop_flat_map(|left_out| {
            (Just(left_out.clone()), bodies::without_or_with_envelope(bodies::same_event(left_out)))
        })
    ) {
        let Reading::Relevant(change) = read(&body) else { panic!("not read: {body}") };
        prop_assert_eq!(change.key.instance.as_str(), INSTANCE);
        prop_assert_eq!(change.key.region.as_str(), "us-east-1");
        prop_assert_eq!(&*change.key.event_id == MESSAGE_ID, left_out.contains(&"id"));
        prop_assert_eq!(change.time.is_none(), left_out.contains(&"time"));
    }

    #[test]
    fn one_unsound_field_is_enough_for_no_state_change(
        (pointer, value) in bodies::edit(&FIELDS[..7]).prop_filter("still sound", |(pointer, value)| {
            let text = value.as_ref().and_then(Value::as_str).unwrap_or_default();
            match *pointer {
                "/detail/instance-id" => !oracle::is_instance_id(text),
                "/detail/state" => !text.eq_ignore_ascii_case("running"),
                "/region" => !["us-east-1", "eu-central-1"].contains(&text),
                "/detail" => !value.as_ref().is_some_and(Value::is_object),
                pointer => value.as_ref() != bodies::event().pointer(pointer),
            }
        })
    ) {
        let mut event = bodies::event();
        bodies::apply(&mut event, (pointer, value));
        prop_assert!(!matches!(read(&event.to_string()), Reading::Relevant(_)), "{event}");
    }

    #[test]
    fn a_key_that_stands_twice_is_always_rejected(
        (mut event, extra, at) in (bodies::near_event(), bodies::json(), any::<Index>())
    ) {
        event["extra"] = extra;
        let mut at = at.index(oracle::entries(&event));
        let body = bodies::with_a_key_twice(&event, &mut at);
        let rejected = Reading::Rejected("invalid_json".into());
        prop_assert_eq!(read(&body), rejected.clone(), "{}", body);
        prop_assert_eq!(read(&bodies::in_envelope(&body)), rejected, "{}", body);
    }

    #[test]
    fn only_what_is_foreign_or_in_another_state_is_ignored(event in bodies::near_event()) {
        let Reading::Ignored(dismissal) = read(&event.to_string()) else { return Ok(()) };
        if dismissal.reason == "other_state" {
            prop_assert!(event["detail"]["state"] != "running");
            prop_assert_eq!(&event["account"], "123456789012");
        } else {
            let kind = (event["source"].as_str().unwrap(), event["detail-type"].as_str().unwrap());
            prop_assert_ne!(kind, ("aws.ec2", "EC2 Instance State-change Notification"));
        }
    }

    #[test]
    fn an_instance_id_is_taken_exactly_if_it_has_ec2s_form(
        id in prop_oneof![
            "i-[0-9a-f]{7,9}",
            "i-[0-9a-f]{16,18}",
            ".?i-[0-9a-fA-Fg*]{8}.?",
            bodies::misspelt(INSTANCE),
        ]
    ) {
        prop_assert_eq!(InstanceId::parse(&id).is_some(), oracle::is_instance_id(&id));
    }

    #[test]
    fn an_account_is_taken_exactly_if_it_has_12_digits(account in "[0-9]{11,13}|\\d{12}|.{12}") {
        prop_assert_eq!(Account::parse(&account).is_some(), oracle::is_account(&account));
    }

    #[test]
    fn a_region_is_taken_exactly_if_it_has_the_form_of_one(
        region in prop_oneof![
            "[a-z]{1,13}(-[a-z]{1,13}){1,3}-[0-9]{1,3}",
            "[a-z-]{0,40}-?[0-9]{0,3}.?",
            bodies::misspelt("us-gov-west-1"),
        ]
    ) {
        prop_assert_eq!(Region::parse(&region).is_some(), oracle::is_region(&region));
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_is_read_as_its_names_say() {
    let mut events = 0;
    for entry in fs::read_dir("tests/fuzz/corpus/event").unwrap() {
        let path = entry.unwrap().path();
        // What has no such ending was added by a fuzzer that ran here.
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let reading = read(&fs::read_to_string(path).unwrap());
        let ours = name.starts_with("running") && !name.contains("another");
        assert_eq!(matches!(reading, Reading::Relevant(_)), ours, "{name}: {reading:?}");
        events += 1;
    }
    assert!(events > 10, "{events} events");
}
