//! Says which instances are exempt without end because the date in their exception tag cannot be
//! read: whoever wrote it thinks that the exemption ends.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::warn;

use super::record::Record;
use crate::telemetry::metrics::Metrics;

/// How many instances with such a tag are remembered. Beyond that the oldest is forgotten, and
/// warned of again at its next event: it takes a few hundred kilobytes.
const REMEMBERED: usize = 10_000;

/// Warns once of each instance and value.
#[derive(Debug)]
pub(super) struct UnclearDates {
    metrics: Arc<Metrics>,
    warned: Mutex<Warned>,
}

impl UnclearDates {
    /// Nothing has been warned of yet.
    pub(super) fn new(metrics: &Arc<Metrics>) -> Self {
        Self { metrics: Arc::clone(metrics), warned: Mutex::default() }
    }

    /// Counts an event that has ended with such an exemption, and warns of it.
    pub(super) fn note(&self, Record { about, decision, outcome, .. }: &Record) {
        let (Some(event), Some(decision), Some(outcome)) = (about, decision, outcome) else {
            return;
        };
        let Some(value) = decision.exemption.unclear().filter(|_| outcome.is_complete()) else {
            return;
        };
        self.metrics.count_unclear_exemption();
        let key = &event.key;
        let mut hasher = DefaultHasher::new();
        [key.account.as_str(), key.region.as_str(), key.instance.as_str(), value].hash(&mut hasher);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_first(hasher.finish()) {
            warn!(
                instance.id = %key.instance,
                account = %key.account,
                region = %key.region,
                tag.value = value,
                "cannot read the date in the exception tag, so that the instance is exempt without \
                 end; write it as until=YYYY-MM-DD"
            );
        }
    }
}

/// What has been warned of, by a hash of the instance and the value.
#[derive(Debug, Default)]
struct Warned {
    known: BTreeSet<u64>,
    /// The same, the oldest first.
    order: VecDeque<u64>,
}

impl Warned {
    /// Whether this is not known yet. It is from now on.
    fn is_first(&mut self, hash: u64) -> bool {
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_first_once_until_so_many_others_came_that_it_is_forgotten() {
        let mut warned = Warned::default();
        let most = REMEMBERED as u64;
        for hash in 0..most {
            assert!(warned.is_first(hash) && !warned.is_first(hash));
        }
        assert!(warned.is_first(most) && !warned.is_first(1));
        assert!(warned.is_first(0));
        assert_eq!((warned.known.len(), warned.order.len()), (REMEMBERED, REMEMBERED));
    }
}
