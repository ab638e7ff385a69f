//! Says which policies could not be evaluated: they count as not violated, so that nothing is
//! stopped because of a fault, but somebody has to know.

use std::collections::BTreeMap;

use tracing::warn;

use crate::domain::policy::decision::Decision;
use crate::telemetry::metrics::Metrics;

/// The faults of one batch: how many each policy had, and one of them.
#[derive(Default)]
pub(super) struct Faults(BTreeMap<String, (u64, String)>);

impl Faults {
    /// Adds those of a decision.
    pub(super) fn add(&mut self, decision: &Decision) {
        for fault in &decision.faults {
            let of_policy = self.0.entry(fault.policy.clone());
            of_policy.or_insert_with(|| (0, fault.error.clone())).0 += 1;
        }
    }

    /// Writes a line for each policy, and counts.
    pub(super) fn report(self, metrics: &Metrics) {
        for (policy, (instances, error)) in self.0 {
            metrics.count_policy_faults(&policy, instances);
            warn!(
                policy,
                instances, error, "cannot evaluate a policy, which counts as not violated"
            );
        }
    }
}
