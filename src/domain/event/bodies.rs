//! Bodies for the property tests: sound events, nearly sound ones, and any JSON.

use proptest::arbitrary::any;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prop_oneof;
use proptest::sample::{Index, select};
use proptest::strategy::{Just, Strategy};
use serde_json::{Map, Value, json};

pub(super) const INSTANCE: &str = "i-0abcd1234abcd1234";
pub(super) const OPTIONAL: [&str; 4] = ["version", "id", "time", "resources"];
/// The fields that the reader looks at; no event of ours is without the first seven.
pub(super) const FIELDS: [&str; 9] = [
    "/source",
    "/detail-type",
    "/account",
    "/region",
    "/detail",
    "/detail/instance-id",
    "/detail/state",
    "/id",
    "/time",
];
const KEYS: [&str; 10] = [
    "source",
    "detail-type",
    "account",
    "region",
    "detail",
    "instance-id",
    "state",
    "id",
    "Type",
    "Message",
];
const WORDS: [&str; 13] = [
    "aws.ec2",
    "aws.s3",
    "EC2 Instance State-change Notification",
    "123456789012",
    "210987654321",
    "us-east-1",
    "eu-west-1",
    INSTANCE,
    "i-7c3e90ab",
    "running",
    "STOPPED",
    "Notification",
    "{}",
];

pub(super) fn event() -> Value {
    json!({
        "version": "0",
        "id": "b1946ac9-2f5c-4a0e-8f7d-6b0d3c1e5a42",
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "account": "123456789012",
        "time": "2026-05-04T07:12:31Z",
        "region": "us-east-1",
        "resources": [format!("arn:aws:ec2:us-east-1:123456789012:instance/{INSTANCE}")],
        "detail": { "instance-id": INSTANCE, "state": "running" },
    })
}

/// Every way to write [`event`], without the optional fields that `left_out` names.
pub(super) fn same_event(left_out: Vec<&'static str>) -> impl Strategy<Value = String> {
    let detail = in_any_case("running").prop_flat_map(|state| {
        let field = |key: &str, value: &str| (key.to_owned(), json!(value).to_string());
        object(vec![field("instance-id", INSTANCE), field("state", &state)])
    });
    detail.prop_flat_map(move |detail| {
        let mut event = event();
        let event = event.as_object_mut().unwrap();
        event.retain(|key, _| key != "detail" && !left_out.contains(&key.as_str()));
        let fields = event.iter().map(|(key, value)| (key.clone(), value.to_string()));
        object(fields.chain([("detail".to_owned(), detail)]).collect())
    })
}

/// `fields` and some that nobody knows, in any order.
fn object(fields: Vec<(String, String)>) -> impl Strategy<Value = String> {
    extras()
        .prop_map(move |extras| [fields.clone(), extras].concat())
        .prop_shuffle()
        .prop_map(|fields| written(&fields))
}

/// Up to three fields that nobody knows.
fn extras() -> impl Strategy<Value = Vec<(String, String)>> {
    let extras = btree_map("x.{0,8}", json().prop_map(|value| value.to_string()), 0..4);
    extras.prop_map(Vec::from_iter)
}

/// An object with its keys in the order given, which `Value` would sort.
fn written(fields: &[(String, String)]) -> String {
    let fields = fields.iter().map(|(key, value)| format!("{}: {value}", json!(key)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// The same text with some letters in upper case.
fn in_any_case(text: &'static str) -> impl Strategy<Value = String> {
    vec(any::<bool>(), text.len()).prop_map(move |upper| {
        let letters = text.chars().zip(upper);
        letters.map(|(letter, up)| if up { letter.to_ascii_uppercase() } else { letter }).collect()
    })
}

pub(super) fn without_or_with_envelope(
    body: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    let bodies = (body, any::<bool>());
    bodies.prop_map(|(body, wrap)| if wrap { in_envelope(&body) } else { body })
}

pub(super) fn in_envelope(message: &str) -> String {
    json!({ "Type": "Notification", "Message": message }).to_string()
}

/// An event of which up to two fields are not as they should be.
pub(super) fn near_event() -> impl Strategy<Value = Value> {
    vec(edit(&FIELDS), 0..3).prop_map(|edits| {
        let mut event = event();
        for edit in edits {
            apply(&mut event, edit);
        }
        event
    })
}

/// One of these fields and what stands there instead.
pub(super) fn edit(
    pointers: &'static [&'static str],
) -> impl Strategy<Value = (&'static str, Option<Value>)> {
    select(pointers).prop_flat_map(|pointer| (Just(pointer), another_value(pointer)))
}

/// What may stand in a field instead of a sound value: something else, a slip, or nothing.
fn another_value(pointer: &str) -> impl Strategy<Value = Option<Value>> + use<> {
    let sound = event().pointer(pointer).unwrap().clone();
    let slip = misspelt(sound.as_str().unwrap_or("detail")).prop_map(Value::from);
    let long = "[ -~]{62,66}".prop_map(Value::from);
    option::of(prop_oneof![json(), slip, long, select(&WORDS[..]).prop_map(Value::from)])
}

pub(super) fn apply(event: &mut Value, (pointer, value): (&str, Option<Value>)) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let Some(object) = event.pointer_mut(parent).and_then(Value::as_object_mut) else { return };
    match value {
        Some(value) => object.insert(key.to_owned(), value),
        None => object.remove(key),
    };
}

/// The text with one character taken away, put in or replaced.
pub(super) fn misspelt(text: &str) -> impl Strategy<Value = String> + use<> {
    let characters: Vec<char> = text.chars().collect();
    let character = prop_oneof![any::<char>(), select(vec!['0', 'a', 'A', '-', '*', '\n', '"'])];
    (any::<Index>(), option::of(character), any::<bool>()).prop_map(move |(at, new, replace)| {
        let mut characters = characters.clone();
        let at = at.index(characters.len());
        characters.splice(at..=at, new.into_iter().chain((!replace).then_some(characters[at])));
        characters.into_iter().collect()
    })
}

pub(super) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        select(&WORDS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let key = prop_oneof![select(&KEYS[..]).prop_map(str::to_owned), ".{0,6}"];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(key, inner, 0..5).prop_map(|object| Map::from_iter(object).into()),
        ]
    })
}

/// Writes JSON with the entry number `left` twice, once with an escaped key.
pub(super) fn with_a_key_twice(value: &Value, left: &mut usize) -> String {
    match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| with_a_key_twice(item, left));
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        Value::Object(object) => {
            let entries = object.iter().map(|(key, value)| {
                let again =
                    if *left == 0 { format!("\"{}\":null,", escaped(key)) } else { String::new() };
                *left = left.wrapping_sub(1);
                format!("{again}{}:{}", json!(key), with_a_key_twice(value, left))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        leaf => leaf.to_string(),
    }
}

fn escaped(key: &str) -> String {
    let units: Vec<_> = key.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    units.concat()
}
