//! Percentiles of durations.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Three percentiles of a list of durations, and the longest one. All are zero if the list is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl Spread {
    /// Takes the nearest rank: a percentile is one of the durations, and never between two of them.
    pub fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let percentile = |percent: usize| {
            let rank = (durations.len() * percent).div_ceil(100);
            durations.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { p50: percentile(50), p95: percentile(95), p99: percentile(99), max: percentile(100) }
    }

    /// Whether it is of an empty list.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
