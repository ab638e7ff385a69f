//! What a reload changes.

use super::given::variable;
use super::load;
use super::table::{Row, rows};

/// A value that is not the default, for every key that is no number.
const OTHER_TEXTS: [(&str, &str); 7] = [
    ("policy.exception_tag", "Other"),
    ("queue.url", "other"),
    ("topic.arn", "arn:aws:sns:us-east-1:123456789012:other"),
    ("scope.account", "123456789012"),
    ("scope.regions", "eu-west-1"),
    ("log.filter", "debug"),
    ("admin.listen", "off"),
];

/// A variable for every key, with a value that is not the default.
fn others() -> Vec<(String, String)> {
    rows().iter().map(|row| (name(&row.key), other(row))).collect()
}

/// The short name for what the other tests set by it: it would win.
fn name(key: &str) -> String {
    match key {
        "queue.url" => "SQS_QUEUE_URL".to_owned(),
        "topic.arn" => "SNS_TOPIC_ARN".to_owned(),
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
    for (row, (name, value)) in rows().iter().zip(others()) {
        let changes = defaults.clone().follow(&load(None, &[(&name, &value)]).unwrap());
        assert_eq!([changes.live, changes.fixed].concat(), [row.key.as_str()]);
    }
}

#[test]
fn only_regions_the_share_retries_and_the_filter_change_without_a_restart() {
    let mut running = load(None, &[]).unwrap();
    let others = others();
    let others: Vec<_> = others.iter().map(|(name, value)| (&**name, &**value)).collect();
    let newer = load(None, &others).unwrap();
    let changes = running.follow(&newer);
    let live = [
        "log.filter",
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
