//! A second opinion on every body: what the reader must make of it, found on another way.
//!
//! The property tests and the fuzz target (`tests/fuzz`) ask for it. It is slow and simple, and
//! shares no code with the reader but `serde_json` itself.

use serde_json::Value;

use crate::domain::event::{Event, Reading, Scope};

const STATES: [&str; 6] =
    ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"];

#[derive(Debug, PartialEq)]
enum Kind {
    Event,
    TagChange,
    Ignored,
    Rejected,
}

/// Reads `body` and panics if the second opinion is another one.
pub(crate) fn read(scope: &Scope, body: &str, message_id: &str) -> Reading {
    let reading = scope.read(body, message_id);
    let kind = match &reading {
        Reading::Relevant(_) => Kind::Event,
        Reading::TagChange(_) => Kind::TagChange,
        Reading::Ignored(_) => Kind::Ignored,
        Reading::Rejected(_) => Kind::Rejected,
    };
    let about = reading.about();
    let (expected, event) = opinion(scope, body).unwrap_or((Kind::Rejected, None));
    assert_eq!(kind, expected, "{reading:?} of {body:?}");
    assert_eq!(about.is_some(), event.is_some(), "{reading:?} of {body:?}");
    if let (Some(change), Some(event)) = (about, event) {
        assert_tells_of(change, &event, message_id);
    }
    reading
}

/// What the body is, and the event if all that identifies it is sound.
fn opinion(scope: &Scope, body: &str) -> Option<(Kind, Option<Value>)> {
    let mut event = distinct_keys(body)?;
    if event["Type"] == "Notification" && event["Message"].is_string() {
        event = distinct_keys(event["Message"].as_str()?)?;
    }
    let (source, detail_type) = (event["source"].as_str()?, event["detail-type"].as_str()?);
    if scope.tag_changes && (source, detail_type) == ("aws.tag", "Tag Change on Resource") {
        return tag_change(scope, event);
    }
    if (source, detail_type) != ("aws.ec2", "EC2 Instance State-change Notification") {
        return Some((Kind::Ignored, None));
    }
    let state = event["detail"]["state"].as_str()?;
    let sound = is_account(event["account"].as_str()?)
        && is_region(event["region"].as_str()?)
        && is_instance_id(event["detail"]["instance-id"].as_str()?)
        && STATES.iter().any(|known| known.eq_ignore_ascii_case(state));
    let kind = match (is_ours(scope, &event), state.eq_ignore_ascii_case("running")) {
        (true, true) => Kind::Event,
        (true, false) => Kind::Ignored,
        (false, _) => Kind::Rejected,
    };
    sound.then_some((kind, Some(event)))
}

/// What an event about changed tags is.
fn tag_change(scope: &Scope, mut event: Value) -> Option<(Kind, Option<Value>)> {
    let (service, kind) =
        (event["detail"]["service"].as_str()?, event["detail"]["resource-type"].as_str()?);
    if service != "ec2" || kind != "instance" {
        return Some((Kind::Ignored, None));
    }
    let resources = event["resources"].as_array()?.clone();
    let [arn] = resources.as_slice() else { return None };
    let (account, region) = (event["account"].as_str()?, event["region"].as_str()?);
    let (partition, rest) = arn.as_str()?.strip_prefix("arn:aws")?.split_once(':')?;
    let id = rest.strip_prefix(&format!("ec2:{region}:{account}:instance/"))?;
    let sound = !partition.contains(':')
        && is_account(account)
        && is_region(region)
        && is_instance_id(id)
        && event["detail"]["changed-tag-keys"].as_array()?.iter().all(Value::is_string);
    let id = id.to_owned();
    let kind = if is_ours(scope, &event) { Kind::TagChange } else { Kind::Rejected };
    event["detail"]["instance-id"] = id.into();
    sound.then_some((kind, Some(event)))
}

fn is_ours(scope: &Scope, event: &Value) -> bool {
    event["account"] == scope.account.as_str()
        && scope.regions.iter().any(|region| event["region"] == region.as_str())
}

fn assert_tells_of(change: &Event, event: &Value, message_id: &str) {
    let key = &change.key;
    assert_eq!(event["account"], key.account.as_str());
    assert_eq!(event["region"], key.region.as_str());
    assert_eq!(event["detail"]["instance-id"], key.instance.as_str());
    let id = event["id"].as_str().filter(|id| is_event_id(id));
    assert_eq!(&*key.event_id, id.unwrap_or(message_id));
    assert!(change.time.is_none() || event["time"].is_string(), "{change:?}");
}

pub(crate) fn is_account(text: &str) -> bool {
    text.chars().count() == 12 && text.chars().all(|digit| digit.is_ascii_digit())
}

/// Two or more words of 2 to 12 letters and a number, in at most 32 characters: `us-gov-west-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let mut words: Vec<Vec<char>> = text.split('-').map(|word| word.chars().collect()).collect();
    let number = words.pop().unwrap_or_default();
    let within = |word: &[char], least, most, range: (char, char)| {
        (least..=most).contains(&word.len())
            && word.iter().all(|letter| (range.0..=range.1).contains(letter))
    };
    words.len() >= 2
        && text.len() <= 32
        && words.iter().all(|word| within(word, 2, 12, ('a', 'z')))
        && within(&number, 1, 2, ('0', '9'))
}

pub(crate) fn is_instance_id(text: &str) -> bool {
    let digits = text.strip_prefix("i-").unwrap_or_default();
    [8, 17].contains(&digits.chars().count())
        && digits.chars().all(|digit| "0123456789abcdef".contains(digit))
}

fn is_event_id(text: &str) -> bool {
    let length = text.chars().count();
    (1..=64).contains(&length) && text.chars().all(|character| ('!'..='~').contains(&character))
}

fn distinct_keys(text: &str) -> Option<Value> {
    let value = serde_json::from_str(text).ok()?;
    (entries(&value) == colons_outside_strings(text)).then_some(value)
}

/// Counts the entries of all objects; of keys that stand twice, `serde_json` keeps one.
pub(crate) fn entries(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(entries).sum(),
        Value::Object(object) => object.len() + object.values().map(entries).sum::<usize>(),
        _ => 0,
    }
}

/// Counts the entries as they are written: each has one colon of its own.
fn colons_outside_strings(json: &str) -> usize {
    let (mut colons, mut in_string, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b':' if !in_string => colons += 1,
            _ => {}
        }
    }
    colons
}
