//! Tests of the benchmark's percentiles. A benchmark cannot have tests of its own.

#[path = "../bench/percentiles.rs"]
mod percentiles;

use std::time::Duration;

use percentiles::Spread;

fn spread(ms: impl Iterator<Item = u64>) -> [u128; 3] {
    let Spread { p50, p95, p99 } = Spread::of(ms.map(Duration::from_millis).collect());
    [p50, p95, p99].map(|percentile| percentile.as_millis())
}

#[test]
fn a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() {
    assert_eq!(spread(1..=100), [50, 95, 99]);
    assert_eq!(spread((1..=1000).rev()), [500, 950, 990]);
    assert_eq!(spread(1..=10), [5, 10, 10]);
}

#[test]
fn one_value_is_every_percentile_and_no_value_is_zero() {
    assert_eq!(spread([7].into_iter()), [7, 7, 7]);
    assert_eq!(spread([].into_iter()), [0, 0, 0]);
}
