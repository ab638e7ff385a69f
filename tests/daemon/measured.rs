//! Tests of the benchmark's percentiles, of how it reads notices, and of the list of its cases. A
//! benchmark cannot have tests of its own.

#[path = "../bench/percentiles.rs"]
pub(crate) mod percentiles;
#[path = "../bench/sandbox_process/told.rs"]
mod told;

use std::time::Duration;

use percentiles::Spread;
use told::{Told, told};

const CASES: &str = include_str!("../bench/case.rs");
const PAGE: &str = include_str!("../../docs/src/performance.md");

fn spread(ms: impl Iterator<Item = u64>) -> [u128; 4] {
    let Spread { p50, p95, p99, max } = Spread::of(ms.map(Duration::from_millis).collect());
    [p50, p95, p99, max].map(|percentile| percentile.as_millis())
}

#[test]
fn a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() {
    assert_eq!(spread(1..=100), [50, 95, 99, 100]);
    assert_eq!(spread((1..=1000).rev()), [500, 950, 990, 1000]);
    assert_eq!(spread(1..=10), [5, 10, 10, 10]);
}

#[test]
fn one_value_is_every_percentile_and_no_value_is_zero() {
    assert_eq!(spread([7].into_iter()), [7, 7, 7, 7]);
    assert_eq!(spread([].into_iter()), [0, 0, 0, 0]);
    assert!(Spread::of(Vec::new()).is_empty());
    assert!(!Spread::of(vec![Duration::from_millis(7)]).is_empty());
}

#[test]
fn a_notice_names_one_instance_and_a_digest_as_many_as_it_says() {
    assert_eq!(told("EC2 i-1 Stopped"), [("i-1", Told::Stopped)]);
    let planned = "EC2 i-1 will be stopped at 2026-11-27T14:00Z\nPolicy builtin: no tag KEEP";
    assert_eq!(told(planned), [("i-1", Told::Planned)]);
    let called_off = "EC2 i-1 will NOT be stopped: it has the tag KEEP";
    assert_eq!(told(called_off), [("i-1", Told::CalledOff)]);
    let digest = "2 notices about EC2 instances of alice\n\nEC2 i-1 Stopped\nEC2 i-2 Stopped";
    assert_eq!(told(digest), [("i-1", Told::Stopped), ("i-2", Told::Stopped)]);
    let with_foot = digest.to_owned() + "\n\nPolicy gpu: none";
    assert_eq!(told(&with_foot).len(), 2);
}

#[test]
fn a_notice_that_is_not_as_it_should_be_tells_nothing() {
    for text in [
        "",
        "EC2 i-1 Stopped\nPolicy builtin: no tag KEEP",
        "EC2 i-1 NOT stopped: stop protection",
        "3 notices about EC2 instances of alice\n\nEC2 i-1 Stopped\nEC2 i-2 Stopped",
    ] {
        assert_eq!(told(text), [], "{text}");
    }
}

#[test]
fn the_book_lists_every_case_and_no_other() {
    let (_, names) = CASES.split_once("pub enum Name {\n").unwrap();
    let (names, _) = names.split_once("\n}").unwrap();
    let names = names.lines().filter(|line| !line.contains("///"));
    let names: Vec<_> =
        names.map(|line| line.trim().trim_end_matches(',').to_lowercase()).collect();
    let (_, list) = PAGE.split_once("\n## The cases\n").unwrap();
    let (list, _) = list.split_once("\n## ").unwrap();
    let rows = list.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: Vec<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
    assert!(names.len() >= 7, "{names:?}");
    assert_eq!(listed, names);
}
