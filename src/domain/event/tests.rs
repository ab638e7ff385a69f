//! What a body may contain, and what becomes of it.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Account, Event, InstanceId, Members, Reading, Region, Scope};

const MESSAGE_ID: &str = "5fea7756-0ea4-451a-a703-a558b933e274";
const EVENT_ID: &str = "7bf73129-1428-4cd3-a780-95db273d1602";
const MIB: usize = 1024 * 1024;

fn scope() -> Scope {
    Scope {
        account: Account::parse("123456789012").unwrap(),
        members: Members::default(),
        regions: vec![Region::parse("us-east-1").unwrap()],
        tag_changes: true,
    }
}

fn event() -> Value {
    json!({
        "version": "0",
        "id": EVENT_ID,
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "account": "123456789012",
        "time": "2021-11-11T21:29:54Z",
        "region": "us-east-1",
        "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-0abcd1234abcd1234"],
        "detail": { "instance-id": "i-0abcd1234abcd1234", "state": "running" },
    })
}

/// The event with one field replaced; `pointer` as in RFC 6901.
fn event_with(pointer: &str, value: impl Into<Value>) -> Value {
    let mut event = event();
    *event.pointer_mut(pointer).unwrap() = value.into();
    event
}

fn event_without(key: &str) -> Value {
    let mut event = event();
    event.as_object_mut().unwrap().remove(key).unwrap();
    event
}

fn envelope(message: &Value) -> Value {
    json!({ "Type": "Notification", "MessageId": MESSAGE_ID, "Message": message.to_string() })
}

fn read(body: &str) -> Reading {
    scope().read(body, MESSAGE_ID)
}

fn read_event(event: &Value) -> Reading {
    read(&event.to_string())
}

fn state_change(event: &Value) -> Event {
    match read_event(event) {
        Reading::Relevant(change) => change,
        other => panic!("{other:?} for {event}"),
    }
}

#[track_caller]
fn assert_rejected(body: &str, reason: &'static str) {
    let start: String = body.chars().take(300).collect();
    let Reading::Rejected(dismissal) = read(body) else { panic!("not rejected: {start}") };
    assert_eq!(dismissal.reason, reason, "{start}");
}

#[track_caller]
fn assert_ignored(body: &str, reason: &'static str) {
    let Reading::Ignored(dismissal) = read(body) else { panic!("not ignored: {body}") };
    assert_eq!(dismissal.reason, reason, "{body}");
}

#[test]
fn a_running_event_is_a_state_change() {
    let change = state_change(&event());
    assert_eq!(change.key.account.as_str(), "123456789012");
    assert_eq!(change.key.region.as_str(), "us-east-1");
    assert_eq!(change.key.instance.as_str(), "i-0abcd1234abcd1234");
    assert_eq!(&*change.key.event_id, EVENT_ID);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_636_666_194);
    assert_eq!(change.time, Some(time));
}

#[test]
fn a_state_in_upper_case_is_the_same_state() {
    for state in ["RUNNING", "Running"] {
        assert_eq!(state_change(&event_with("/detail/state", state)), state_change(&event()));
    }
    assert_ignored(&event_with("/detail/state", "STOPPED").to_string(), "other_state");
}

#[test]
fn a_missing_version_or_resource_list_does_no_harm() {
    for key in ["version", "resources"] {
        assert_eq!(state_change(&event_without(key)), state_change(&event()));
    }
}

#[test]
fn fields_that_nobody_knows_do_no_harm() {
    let mut event = event();
    event["replay-name"] = json!([null, true, -1, 2, 0.5, "text", { "nested": {} }]);
    assert_eq!(state_change(&event).key.instance.as_str(), "i-0abcd1234abcd1234");
}

#[test]
fn a_missing_event_id_is_replaced_by_the_message_id() {
    assert_eq!(&*state_change(&event_without("id")).key.event_id, MESSAGE_ID);
}

#[test]
fn an_odd_event_id_is_replaced_by_the_message_id() {
    let odd = ["", " ", "a b", "a\r\nb", "a\0b", "\u{7f}", "\u{661}\u{662}", "é"];
    let long = ["x".repeat(65), "x".repeat(10_000)];
    for id in odd.into_iter().chain(long.iter().map(String::as_str)) {
        assert_eq!(&*state_change(&event_with("/id", id)).key.event_id, MESSAGE_ID, "{id:?}");
    }
    for id in [json!(7), json!(null), json!(["x"])] {
        assert_eq!(&*state_change(&event_with("/id", id)).key.event_id, MESSAGE_ID);
    }
}

#[test]
fn an_event_id_of_1_to_64_printable_characters_is_kept() {
    for id in ["!".to_owned(), "x".repeat(64)] {
        assert_eq!(*state_change(&event_with("/id", id.as_str())).key.event_id, *id);
    }
}

#[test]
fn a_time_that_cannot_be_read_is_none() {
    for time in ["", "yesterday", "2021-13-11T21:29:54Z", "99999999999999999999"] {
        assert_eq!(state_change(&event_with("/time", time)).time, None, "{time}");
    }
    assert_eq!(state_change(&event_without("time")).time, None);
    assert_eq!(state_change(&event_with("/time", 1_636_666_194)).time, None);
}

#[test]
fn a_time_before_1970_or_far_ahead_does_not_panic() {
    for time in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2021-11-11T21:29:54+23:59"] {
        assert!(state_change(&event_with("/time", time)).time.is_some(), "{time}");
    }
}

#[test]
fn one_sns_envelope_is_unwrapped() {
    assert_eq!(state_change(&envelope(&event())), state_change(&event()));
}

#[test]
fn two_sns_envelopes_are_rejected() {
    assert_rejected(&envelope(&envelope(&event())).to_string(), "no_source");
}

#[test]
fn an_sns_envelope_around_something_else_is_rejected() {
    let around = |message: Value| json!({ "Type": "Notification", "Message": message }).to_string();
    assert_rejected(&around(json!("hello")), "invalid_json");
    assert_rejected(&around(json!("[]")), "not_a_json_object");
    assert_rejected(&around(event()), "no_source");
    let body = json!({ "Type": "SubscriptionConfirmation", "Message": event().to_string() });
    assert_rejected(&body.to_string(), "no_source");
}

#[test]
fn another_source_is_ignored_even_if_the_rest_is_unsound() {
    for pointer in ["/account", "/region", "/detail", "/id", "/time"] {
        for field in ["/source", "/detail-type"] {
            let mut event = event_with(pointer, 7);
            *event.pointer_mut(field).unwrap() = json!("aws.s3");
            assert_ignored(&event.to_string(), "other_event_type");
        }
    }
    let bare = json!({ "source": "aws.s3", "detail-type": "Object Created" });
    assert_ignored(&bare.to_string(), "other_event_type");
}

#[test]
fn a_source_or_detail_type_that_is_no_string_is_rejected() {
    assert_rejected(&event_without("source").to_string(), "no_source");
    assert_rejected(&event_with("/source", 7).to_string(), "no_source");
    assert_rejected(&event_without("detail-type").to_string(), "no_detail_type");
    assert_rejected(&event_with("/detail-type", json!(null)).to_string(), "no_detail_type");
}

#[test]
fn every_other_state_is_ignored() {
    for state in ["pending", "stopping", "stopped", "shutting-down", "terminated"] {
        assert_ignored(&event_with("/detail/state", state).to_string(), "other_state");
    }
}

#[test]
fn a_state_that_ec2_does_not_have_is_rejected() {
    let states = ["", "rebooting", " running", "running\n", "runn\u{131}ng", "running\0"];
    for state in states {
        assert_rejected(&event_with("/detail/state", state).to_string(), "unusable_state");
    }
    assert_rejected(&event_with("/detail/state", json!(["running"])).to_string(), "unusable_state");
}

#[test]
fn what_is_unsound_is_rejected_before_scope_and_state_are_asked() {
    let mut event = event_with("/account", "999999999999");
    event["region"] = json!("eu-west-1");
    event["detail"] = json!({ "instance-id": "i-*", "state": "stopped" });
    assert_rejected(&event.to_string(), "unusable_instance_id");
    event["detail"]["instance-id"] = json!("i-0abcd1234abcd1234");
    assert_rejected(&event.to_string(), "foreign_account");
    event["account"] = json!("123456789012");
    assert_rejected(&event.to_string(), "region_out_of_scope");
    event["region"] = json!("us-east-1");
    assert_ignored(&event.to_string(), "other_state");
}

#[test]
fn a_foreign_account_is_rejected() {
    assert_rejected(&event_with("/account", "210987654321").to_string(), "foreign_account");
}

#[test]
fn an_account_without_12_ascii_digits_is_rejected() {
    let accounts =
        ["", "12345678901", "1234567890123", "12345678901a", " 23456789012", "12345678901\n"];
    let other_scripts = ["\u{661}".repeat(12), "\u{661}".repeat(6), "\u{ff11}".repeat(4)];
    for account in accounts.into_iter().chain(other_scripts.iter().map(String::as_str)) {
        assert_rejected(&event_with("/account", account).to_string(), "unusable_account");
    }
    let number = event_with("/account", 123_456_789_012_u64);
    assert_rejected(&number.to_string(), "unusable_account");
}

#[test]
fn a_region_out_of_scope_is_rejected() {
    assert_rejected(&event_with("/region", "eu-west-1").to_string(), "region_out_of_scope");
}

#[test]
fn a_forged_region_is_rejected() {
    let regions = [
        "",
        "us-east-1.evil.example/",
        "us-east-1/",
        "us-east-1@evil.example",
        "us-east-1\r\n",
        "us-east-1 ",
        "US-EAST-1",
        "us--east-1",
        "-us-east-1",
        "us-east-",
        "us-east-\u{661}",
        "us-east-123",
        "us-1",
        "u-east-1",
        "localhost",
        "..",
    ];
    for region in regions {
        assert_rejected(&event_with("/region", region).to_string(), "unusable_region");
    }
    let long = format!("us-{}1", "east-".repeat(2_000));
    assert_rejected(&event_with("/region", long).to_string(), "unusable_region");
}

#[test]
fn regions_of_every_partition_are_sound() {
    let regions = [
        "us-east-1",
        "eu-central-1",
        "ap-southeast-7",
        "ap-northeast-1",
        "us-gov-west-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eu-isoe-west-1",
        "cn-north-1",
        "cn-northwest-1",
        "mx-central-1",
        "eusc-de-east-1",
    ];
    for region in regions {
        assert_eq!(Region::parse(region).map(|region| region.to_string()).as_deref(), Some(region));
    }
}

#[test]
fn instance_ids_have_8_or_17_digits() {
    for id in ["i-0abcd123", "i-0abcd1234abcd1234"] {
        assert_eq!(InstanceId::parse(id).map(|id| id.to_string()).as_deref(), Some(id));
    }
}

#[test]
fn a_forged_instance_id_is_rejected() {
    let ids = [
        "",
        "i-",
        "i-*",
        "i-???????????????????????",
        "i-0abcd12*",
        "i-0abcd12?",
        "i-0abcd1234abcd123*",
        "i-0abcd12",
        "i-0abcd1234",
        "i-0abcd1234abcd12345",
        "i-0ABCD123",
        "I-0abcd123",
        "i-0abcdefg",
        " i-0abcd123",
        "i-0abcd123 ",
        "i-0abcd123\r\n",
        "i-0abcd1\r\n",
        "i-0abcd12\n",
        "i-0abcd12\0",
        "i-0abcd12,i-0abcd123",
        "i-\u{661}\u{662}\u{663}\u{664}",
        "i-\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}\u{668}",
        "i-\u{ff11}\u{ff12}00",
        "\u{456}-0abcd123",
        "i\u{2010}0abcd123",
        "mi-0abcd1234abcd1234",
    ];
    for id in ids {
        assert_rejected(&event_with("/detail/instance-id", id).to_string(), "unusable_instance_id");
    }
    let long = format!("i-{}", "a".repeat(10_000));
    assert_rejected(&event_with("/detail/instance-id", long).to_string(), "unusable_instance_id");
    let list = event_with("/detail/instance-id", json!(["i-0abcd1234abcd1234"]));
    assert_rejected(&list.to_string(), "unusable_instance_id");
}

#[test]
fn a_missing_part_is_rejected() {
    assert_rejected(&event_without("account").to_string(), "unusable_account");
    assert_rejected(&event_without("region").to_string(), "unusable_region");
    assert_rejected(&event_without("detail").to_string(), "no_detail");
    assert_rejected(&event_with("/detail", "running").to_string(), "no_detail");
    assert_rejected(&event_with("/detail", json!({})).to_string(), "unusable_instance_id");
}

#[test]
fn a_key_that_stands_twice_is_rejected_at_any_depth() {
    let sound = event().to_string();
    let twice = [
        sound.replacen('{', r#"{"account":"123456789012","#, 1),
        sound.replace(r#""state":"#, r#""state":"stopped","state":"#),
        sound.replace(r#""state":"#, r#""\u0073tate":"stopped","state":"#),
        sound.replacen('{', r#"{"x":[[{"y":[{"z":1,"z":1}]}]],"#, 1),
        envelope(&event()).to_string().replacen('{', r#"{"Message":"{}","#, 1),
    ];
    for body in twice {
        assert_ne!(body, sound);
        assert_rejected(&body, "invalid_json");
    }
    let inner = sound.replacen('{', r#"{"id":"x","#, 1);
    let body = json!({ "Type": "Notification", "Message": inner });
    assert_rejected(&body.to_string(), "invalid_json");
}

#[test]
fn a_key_may_stand_once_in_each_object() {
    let mut event = event();
    event["detail"]["region"] = json!("eu-west-1");
    event["detail"]["account"] = json!("999999999999");
    assert_eq!(state_change(&event).key.region.as_str(), "us-east-1");
}

#[test]
fn deep_nesting_is_rejected_and_overflows_nothing() {
    for open in ["[", "{\"a\":"] {
        assert_rejected(&open.repeat(100_000), "invalid_json");
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_rejected(&nested, "invalid_json");
    let sound = event().to_string();
    let within = sound.replacen('{', &format!("{{\"x\":{nested},"), 1);
    assert_rejected(&within, "invalid_json");
    let wrapped = json!({ "Type": "Notification", "Message": within });
    assert_rejected(&wrapped.to_string(), "invalid_json");
}

#[test]
fn a_body_of_one_mebibyte_is_read() {
    let mut event = event();
    event["padding"] = json!("x".repeat(MIB - event.to_string().len() - r#","padding":"""#.len()));
    assert_eq!(event.to_string().len(), MIB);
    assert_eq!(state_change(&event).key.instance.as_str(), "i-0abcd1234abcd1234");
}

#[test]
fn a_mebibyte_of_anything_else_is_rejected() {
    for junk in ["x", " ", "\0", "\"", "0", "9", "-", "\u{10ffff}"] {
        assert_rejected(&junk.repeat(MIB / junk.len()), "invalid_json");
    }
    let flat = format!("[{}0]", "0,".repeat(MIB / 2 - 2));
    assert_rejected(&flat, "not_a_json_object");
}

#[test]
fn what_is_not_one_json_object_is_rejected() {
    let sound = event().to_string();
    let cut = &sound[..sound.len() - 1];
    let twice = format!("{sound}{sound}");
    let marked = format!("\u{feff}{sound}");
    for body in ["", "hello", "{", "{\"a\":1e999}", "\u{fffd}", cut, &twice, &marked] {
        assert_rejected(body, "invalid_json");
    }
    for body in ["null", "true", "7", "-7", "0.5", "\"aws.ec2\"", "[]"] {
        assert_rejected(body, "not_a_json_object");
    }
    assert_rejected("{}", "no_source");
}

#[test]
fn white_space_around_the_event_does_no_harm() {
    assert_eq!(read(&format!("\r\n {} \n", event())), read_event(&event()));
}

#[test]
fn lone_surrogates_are_rejected_wherever_they_stand() {
    let sound = event().to_string();
    for surrogate in [r"\ud800", r"\udc00", r"\ud800\ud800", r"\ud800x"] {
        let value = sound.replace(EVENT_ID, surrogate);
        let key = sound.replacen('{', &format!("{{\"{surrogate}\":1,"), 1);
        assert_rejected(&value, "invalid_json");
        assert_rejected(&key, "invalid_json");
    }
}
