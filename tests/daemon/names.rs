//! The book, the dashboard and the alerts name all metrics, and none that does not exist.

use std::collections::BTreeSet;

use ec2_policy_enforcer::telemetry::metrics::{Kind, Metric, TABLE};
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/src/admin.md");
const DASHBOARD: &str = include_str!("../../deploy/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../deploy/prometheus-alerts.yaml");

fn row(Metric { name, kind, labels, meaning }: &Metric) -> String {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    };
    let labels: Vec<_> = labels.iter().map(|(label, _)| format!("`{label}`")).collect();
    format!("| `{name}` | {kind} | {} | {meaning} |", labels.join(", "))
}

/// The metrics that a text names. A histogram is named by any of its series.
fn names(text: &str) -> BTreeSet<&str> {
    let word = |character: char| !(character.is_ascii_alphanumeric() || character == '_');
    text.split(word).filter(|word| word.starts_with("enforcer_")).collect()
}

/// The series that Prometheus gets.
fn series() -> BTreeSet<String> {
    let of = |metric: &Metric| {
        let parts: &[&str] = if let Kind::Histogram(_) = metric.kind {
            &["_bucket", "_sum", "_count"]
        } else {
            &[""]
        };
        parts.iter().map(|part| format!("{}{part}", metric.name)).collect::<Vec<_>>()
    };
    TABLE.iter().flat_map(of).collect()
}

#[test]
fn the_book_lists_every_metric_and_no_other() {
    for metric in &TABLE {
        assert!(PAGE.lines().any(|line| line == row(metric)), "admin.md lacks\n{}", row(metric));
    }
    let rows = PAGE.lines().filter(|line| line.starts_with("| `enforcer_")).count();
    assert_eq!(rows, TABLE.len());
}

#[test]
fn the_book_lists_every_value_of_a_label_that_has_few() {
    let labels = TABLE.iter().flat_map(|metric| metric.labels);
    for value in labels.flat_map(|(_, values)| *values) {
        assert!(PAGE.contains(&format!("`{value}`")), "admin.md lacks {value}");
    }
}

#[test]
fn the_dashboard_and_the_alerts_name_only_metrics_that_there_are() {
    let series = series();
    for name in names(DASHBOARD).union(&names(ALERTS)) {
        assert!(series.contains(*name), "there is no {name}");
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let shown = names(DASHBOARD);
    for Metric { name, .. } in TABLE {
        assert!(shown.iter().any(|one| one.starts_with(name)), "{name} is not shown");
    }
}

#[test]
fn the_dashboard_is_json_with_a_query_in_every_panel() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            assert!(target["expr"].is_string(), "{panel}");
        }
    }
}

#[test]
fn names_follow_the_convention_of_prometheus() {
    for Metric { name, kind, .. } in TABLE {
        assert_eq!(name.ends_with("_total"), matches!(kind, Kind::Counter), "{name}");
        assert!(!name.ends_with("_ms"), "{name}");
    }
}

#[test]
fn the_values_of_labels_are_words_with_underscores() {
    for Metric { name, labels, .. } in TABLE {
        for value in labels.iter().flat_map(|(_, values)| *values) {
            let is_word = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(is_word, "{name}: {value}");
        }
    }
}
