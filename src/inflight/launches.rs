//! Launches: what owners were told of an instance since it was last started. A sweep finds an
//! instance that goes on running again and again, and tells its owner once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::UtcDateTime;
use tokio::time::Instant;

use crate::domain::event::EventKey;
use crate::inflight::fingerprint::Fingerprint;
use crate::retry::delays;

/// The most that is remembered: at 16 bytes of a fingerprint, a time and the map's own, 5 MB.
const MOST: usize = 120_000;

/// What this process has told owners of launches. Nothing is remembered where there are no sweeps.
#[derive(Debug)]
pub(crate) struct Launches {
    is_on: bool,
    told: Mutex<HashMap<Fingerprint, Instant>>,
}

impl Launches {
    /// Nobody has been told anything.
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on, told: Mutex::default() }
    }

    /// Remembers what an owner was told of a launch: two texts with the same `sense` tell the same.
    /// Nothing is remembered of an instance of which it is not known when it was launched.
    pub(crate) fn remember(&self, key: &EventKey, launched: Option<UtcDateTime>, sense: &str) {
        let Some(fingerprint) = self.fingerprint(key, launched, sense) else { return };
        let mut told = self.told();
        if told.len() >= MOST && !told.contains_key(&fingerprint) {
            forget_oldest(&mut told);
        }
        told.insert(fingerprint, Instant::now());
    }

    /// Whether the owner was told this of the launch. What is asked for within a week is remembered
    /// for another one.
    pub(crate) fn know(&self, key: &EventKey, launched: Option<UtcDateTime>, sense: &str) -> bool {
        let Some(fingerprint) = self.fingerprint(key, launched, sense) else { return false };
        let mut told = self.told();
        let Some(at) = told.get_mut(&fingerprint) else { return false };
        let is_known = at.elapsed() < delays::LAUNCH_MEMORY;
        if is_known {
            *at = Instant::now();
        } else {
            told.remove(&fingerprint);
        }
        is_known
    }

    fn fingerprint(
        &self,
        key: &EventKey,
        launched: Option<UtcDateTime>,
        sense: &str,
    ) -> Option<Fingerprint> {
        let launched = launched.filter(|_| self.is_on)?;
        Some(Fingerprint::of_launch(key, launched, sense))
    }

    fn told(&self) -> MutexGuard<'_, HashMap<Fingerprint, Instant>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what is too old, and at least a sixteenth of all, so that this is seldom done.
fn forget_oldest(told: &mut HashMap<Fingerprint, Instant>) {
    let mut times: Vec<_> = told.values().copied().collect();
    times.sort_unstable();
    let Some(bound) = times.get(times.len() / 16).copied() else { return };
    told.retain(|_, at| *at > bound && at.elapsed() < delays::LAUNCH_MEMORY);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn launched(secs: i64) -> Option<UtcDateTime> {
        UtcDateTime::from_unix_timestamp(secs).ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_told_of_a_launch_is_known_of_no_other() {
        let (launches, key) = (Launches::new(true), EventKey::example("a"));
        launches.remember(&key, launched(1), "warned");
        // Which event it was does not matter.
        assert!(launches.know(&EventKey::example("b"), launched(1), "warned"));
        assert!(!launches.know(&key, launched(1), "refused"));
        assert!(!launches.know(&key, launched(2), "warned"));
        assert!(!launches.know(&key, None, "warned"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_is_remembered_and_the_rest_forgotten_after_a_week() {
        let (launches, key) = (Launches::new(true), EventKey::example("a"));
        launches.remember(&key, launched(1), "asked");
        launches.remember(&key, launched(1), "not asked");
        for _ in 0..9 {
            tokio::time::advance(Duration::from_hours(24)).await;
            assert!(launches.know(&key, launched(1), "asked"));
        }
        assert!(!launches.know(&key, launched(1), "not asked"));
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_the_oldest_are_forgotten() {
        let (launches, key) = (Launches::new(true), EventKey::example("a"));
        for number in 0..=MOST {
            tokio::time::advance(Duration::from_millis(1)).await;
            launches.remember(&key, launched(1), &number.to_string());
        }
        assert!(!launches.know(&key, launched(1), "0"));
        assert!(launches.know(&key, launched(1), &MOST.to_string()));
        assert!(launches.told().len() > MOST / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn without_sweeps_nothing_is_remembered() {
        let (launches, key) = (Launches::new(false), EventKey::example("a"));
        launches.remember(&key, launched(1), "warned");
        assert!(!launches.know(&key, launched(1), "warned"));
        assert!(launches.told().is_empty());
    }
}
