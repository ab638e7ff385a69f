//! Auto Scaling groups that start anew what is stopped: a group replaces an instance that was
//! stopped, the replacement violates the policy as well, and so on for ever.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::retry::delays;

/// So many stops of a group's instances within [`PERIOD`] are a loop.
const STOPS: usize = 5;
/// How long a stop counts, and how often a loop is told of.
const PERIOD: Duration = delays::SCALING_LOOP;
/// The most groups that are remembered.
const MOST_GROUPS: usize = 10_000;

/// The stops of the last hour of instances in Auto Scaling groups, in one account and region.
#[derive(Debug, Default)]
pub(crate) struct Loops(Mutex<BTreeMap<String, Stops>>);

/// The stops of one group.
#[derive(Debug, Default)]
struct Stops {
    at: VecDeque<Instant>,
    told: Option<Instant>,
}

impl Loops {
    /// Notes that an instance of a group was stopped. Says whether that makes it a loop of which
    /// nobody was told within the last hour.
    pub(crate) fn stopped(&self, group: &str) -> bool {
        let now = Instant::now();
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !groups.contains_key(group) && groups.len() >= MOST_GROUPS {
            groups.retain(|_, stops| stops.at.back().is_some_and(|at| now - *at < PERIOD));
            if groups.len() >= MOST_GROUPS {
                return false;
            }
        }
        let stops = groups.entry(group.to_owned()).or_default();
        stops.at.push_back(now);
        while stops.at.front().is_some_and(|at| now - *at >= PERIOD) || stops.at.len() > STOPS {
            stops.at.pop_front();
        }
        let is_new = stops.told.is_none_or(|told| now - told >= PERIOD);
        let is_loop = stops.at.len() == STOPS && is_new;
        if is_loop {
            stops.told = Some(now);
        }
        is_loop
    }

    /// Whether no stop counts any more.
    pub(crate) fn are_none(&self) -> bool {
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !groups.values().flat_map(|stops| &stops.at).any(|at| at.elapsed() < PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn five_stops_of_a_group_within_an_hour_are_a_loop_which_is_told_once_an_hour() {
        let loops = Loops::default();
        let mut told = Vec::new();
        for minute in 0..150 {
            if minute % 10 == 0 && loops.stopped("web") {
                told.push(minute);
            }
            tokio::time::sleep(MINUTE).await;
        }
        assert_eq!(told, [40, 100]);
    }

    #[tokio::test(start_paused = true)]
    async fn four_stops_an_hour_or_five_of_several_groups_are_none() {
        let loops = Loops::default();
        for _ in 0..20 {
            assert!(!loops.stopped("web"));
            tokio::time::sleep(15 * MINUTE).await;
        }
        assert!(!["a", "b", "c", "d", "e"].map(|group| loops.stopped(group)).contains(&true));
    }
}
