//! What a reload changes.

use super::given::variable;
use super::load;
use super::table::{Row, rows};

/// A value that is not the default, for every key that is no number.
const OTHER_TEXTS: &[(&str, &str)] = &[
    ("policy.exception_tag", "Other"),
    ("policy.exception_expires", "true"),
    ("policy.builtin", "false"),
    ("policy.mode", "warn"),
    ("policy.grace", "4h"),
    ("policy.min_notice", "20m"),
    ("policy.tag_changes", "true"),
    ("policy.since", "2026-12-01"),
    ("policy.files", "config/default.toml"),
    ("policy.inline", "forbid"),
    ("policy.known", "eu-west-1"),
    ("policy.units", "222222222222"),
    ("queue.url", "other"),
    ("topic.arn", "arn:aws:sns:us-east-1:123456789012:other"),
    ("notice.digest", "true"),
    ("notice.attributes", "true"),
    ("notice.format", "json"),
    ("notice.owner_tags", "team"),
    ("audit.to", "stdout"),
    ("audit.tags", "all"),
    ("topic.operators_arn", "arn:aws:sns:us-east-1:123456789012:operators"),
    ("budget.window", "1h"),
    ("sweep.every", "1h"),
    ("scope.account", "123456789012"),
    ("scope.regions", "eu-west-1"),
    ("accounts.ids", "210987654321"),
    ("accounts.role", "arn:aws:iam::{account}:role/other"),
    ("accounts.external_id", "said"),
    ("accounts.session_name", "other"),
    ("log.filter", "debug"),
    ("admin.listen", "off"),
];

/// Keys that need another one, which is set too.
const COMPANIONS: [(&str, &str); 3] = [
    ("policy.builtin", "policy.inline"),
    ("policy.grace", "policy.since"),
    ("policy.since", "policy.grace"),
];

/// A variable for every key, with a value that is not the default.
fn others() -> Vec<(String, String)> {
    rows().iter().map(|row| (name(&row.key), other(row))).collect()
}

/// The variable for a key, with a value that is not the default.
fn variable_of(key: &str) -> (String, String) {
    let place = rows().iter().position(|row| row.key == key).unwrap();
    others().swap_remove(place)
}

/// The short name for what the other tests set by it: it would win.
fn name(key: &str) -> String {
    match key {
        "queue.url" => "SQS_QUEUE_URL".to_owned(),
        "topic.arn" => "SNS_TOPIC_ARN".to_owned(),
        "policy.units" => "ENFORCER_POLICY__UNITS__SANDBOX".to_owned(),
        key => variable(key),
    }
}

fn other(row: &Row) -> String {
    let Some(range) = &row.range else {
        let text = OTHER_TEXTS.iter().find(|(key, _)| *key == row.key);
        return text.unwrap_or_else(|| panic!("{} needs another value", row.key)).1.to_owned();
    };
    let beside = row.number().map_or(*range.start(), |default| default - 1);
    if range.contains(&beside) { beside.to_string() } else { (beside + 2).to_string() }
}

#[test]
fn every_setting_that_differs_is_named() {
    let defaults = load(None, &[]).unwrap();
    let same = defaults.clone().follow(&defaults);
    assert!(same.live.is_empty() && same.fixed.is_empty(), "{same:?}");
    for row in rows() {
        let companions = COMPANIONS.iter().filter(|(key, _)| *key == row.key);
        let mut keys: Vec<_> = companions.map(|(_, other)| *other).chain([&*row.key]).collect();
        keys.sort_unstable();
        let given = keys.iter().map(|key| variable_of(key)).collect::<Vec<_>>();
        let given: Vec<_> = given.iter().map(|(name, value)| (&**name, &**value)).collect();
        let changes = defaults.clone().follow(&load(None, &given).unwrap());
        assert_eq!([changes.live, changes.fixed].concat(), keys);
    }
}

#[test]
fn only_policies_regions_the_share_retries_and_the_filter_change_without_a_restart() {
    let mut running = load(None, &[]).unwrap();
    let others = others();
    let others: Vec<_> = others.iter().map(|(name, value)| (&**name, &**value)).collect();
    let newer = load(None, &others).unwrap();
    let changes = running.follow(&newer);
    let live = [
        "log.filter",
        "policy.builtin",
        "policy.exception_expires",
        "policy.exception_tag",
        "policy.files",
        "policy.grace",
        "policy.inline",
        "policy.known",
        "policy.mode",
        "policy.since",
        "policy.units",
        "rate_limit.share_percent",
        "retry.cap_ms",
        "retry.first_ms",
        "scope.regions",
    ];
    assert_eq!(changes.live, live);
    assert_eq!(changes.live.len() + changes.fixed.len(), rows().len());
    // What is followed is no change any more; what is not still is.
    let again = running.follow(&newer);
    assert_eq!((again.live.len(), again.fixed), (0, changes.fixed));
}
