//! What operators may give, and what can work of it, for the property tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use proptest::arbitrary::any;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::strategy::{Just, Strategy};
use serde_json::Value;

use super::table::{Row, rows};
use crate::settings::Settings;

/// Numbers by their key.
pub(super) type Numbers = BTreeMap<&'static str, i64>;

/// A number with its default and its range.
pub(super) type NumberRow = (&'static str, i64, RangeInclusive<i64>);

/// Every number that has a default.
pub(super) fn number_rows() -> Vec<NumberRow> {
    let number = |row: &'static Row| Some((&*row.key, row.number()?, row.range.clone()?));
    rows().iter().filter_map(number).collect()
}

pub(super) fn numbers() -> impl Strategy<Value = Numbers> {
    vec(number(), 0..5).prop_map(Numbers::from_iter)
}

/// A number of the table and a value at, beside or far from the ends of its range.
fn number() -> impl Strategy<Value = (&'static str, i64)> {
    select(number_rows()).prop_flat_map(|(key, _, range)| {
        let ends = select(vec![range.start() - 1, *range.start(), *range.end(), range.end() + 1]);
        (Just(key), prop_oneof![4 => range, 1 => ends, 1 => any::<i64>()])
    })
}

pub(super) fn environment() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        key().prop_map(variable),
        select(&["SQS_QUEUE_URL", "SNS_TOPIC_ARN", "EXCEPTION_TAG"][..]).prop_map(str::to_owned),
        "ENFORCER_[A-Z_.\\[\\]0-9-]{0,12}",
        "ENFORCER_(POLICY|QUEUE|SIZES)__.{0,6}",
        ".{0,12}",
    ];
    vec((name, prop_oneof![".{0,20}", "[0-9]{0,6}"]), 0..5)
}

pub(super) fn file() -> impl Strategy<Value = String> {
    let line = (key(), toml_value()).prop_map(|(key, value)| format!("{key} = {value}\n"));
    prop_oneof![
        ".{0,40}",
        btree_map("[a-z]{1,6}(\\.[a-z_]{0,6}){0,2}", toml_value(), 0..4).prop_map(|lines| {
            let lines = lines.iter().map(|(key, value)| format!("{key} = {value}\n"));
            lines.collect::<Vec<_>>().concat()
        }),
        vec(line, 0..3).prop_map(|lines| lines.concat()),
    ]
}

/// Values in TOML, of every kind.
pub(super) fn toml_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        "-?[0-9]{1,3}\\.[0-9]{1,3}|inf|nan|2026-05-04T07:12:31Z|0x1f",
        "[ -~&&[^\"\\\\]]{0,12}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            option::of(inner).prop_map(|value| match value {
                Some(value) => format!("{{ a = {value} }}"),
                None => "{}".to_owned(),
            }),
        ]
    })
}

pub(super) fn key() -> impl Strategy<Value = &'static str> {
    select(rows().iter().collect::<Vec<_>>()).prop_map(|row: &Row| row.key.as_str())
}

pub(super) fn variable(key: &str) -> String {
    format!("ENFORCER_{}", key.replace('.', "__").to_ascii_uppercase())
}

pub(super) fn is_sound(settings: &Settings) -> bool {
    let account = settings.scope.account.as_ref();
    let regions = &settings.scope.regions;
    can_work(&numbers_of(settings))
        && settings
            .queue
            .visibility_timeout
            .is_none_or(|secs| (5..=43200).contains(&secs.as_secs()))
        && account.is_none_or(|account| *account == settings.topic.owners.account)
        && account.is_none_or(|account| {
            settings.queue.address.account().is_none_or(|owner| owner == account)
        })
        && regions.iter().collect::<BTreeSet<_>>().len() == regions.len()
        && !settings.policy.exception_tag.is_empty()
        && settings.admin.listen.is_none_or(|address| address.port() != 0)
}

pub(super) fn can_work(all: &Numbers) -> bool {
    number_rows().iter().all(|(key, _, range)| range.contains(&all[key]))
        && all["sizes.inbox"] >= 10 * all["sizes.pollers"]
        && all["retry.cap_ms"] >= all["retry.first_ms"]
}

/// The numbers that the daemon would run with.
pub(super) fn numbers_of(settings: &Settings) -> Numbers {
    let values = settings.values();
    number_rows().into_iter().map(|(key, ..)| (key, number_of(key, &values[key]))).collect()
}

/// A number in the unit of its key; a `Duration` has seconds and nanoseconds.
fn number_of(key: &str, value: &Value) -> i64 {
    let Some(secs) = value["secs"].as_i64() else { return value.as_i64().unwrap() };
    let millis = secs * 1000 + value["nanos"].as_i64().unwrap() / 1_000_000;
    if key.ends_with("_ms") { millis } else { secs }
}

/// What the daemon would run with: the defaults, and what is given over them.
pub(super) fn with_defaults(given: &Numbers) -> Numbers {
    let defaults = number_rows().into_iter().map(|(key, default, _)| (key, default));
    defaults.chain(given.iter().map(|(key, value)| (*key, *value))).collect()
}
