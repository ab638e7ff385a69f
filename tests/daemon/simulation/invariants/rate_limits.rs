//! A process that may use a share of EC2's token buckets takes no more than that share.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;

/// An enforcer looks at its instances between taking the permit of a stop and the stop. So as many
/// stops as there are enforcers can be later than their permits, and come at the same time.
const ENFORCERS: f64 = 2.0;
const STOP_BATCH: f64 = 10.0;

/// A token bucket of EC2: its size, its refill in a second, what a call costs, and how many tokens
/// can be spent later than the permits were taken.
struct Bucket {
    name: &'static str,
    tokens: f64,
    per_sec: f64,
    cost: fn(&Call) -> f64,
    late: f64,
}

const BUCKETS: [Bucket; 3] = [
    Bucket {
        name: "looks",
        tokens: 100.0,
        per_sec: 20.0,
        cost: |call| f64::from(call.operation.starts_with("Describe") && !call.turns_page),
        late: 0.0,
    },
    Bucket {
        name: "stops",
        tokens: 50.0,
        per_sec: 5.0,
        cost: |call| f64::from(call.operation == "StopInstances"),
        late: ENFORCERS,
    },
    Bucket {
        name: "stopped instances",
        tokens: 1000.0,
        per_sec: 20.0,
        cost: |call| match call.operation.as_str() {
            "StopInstances" => f64::from(u32::try_from(call.subjects.len()).unwrap()),
            _ => 0.0,
        },
        late: ENFORCERS * STOP_BATCH,
    },
];

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let percent = evidence.record.plan.share_percent;
    if percent == 100 {
        return;
    }
    let share = f64::from(percent) / 100.0;
    for process in &evidence.record.history.processes {
        for target in evidence.targets() {
            let calls = evidence.record.calls.iter().filter(|call| {
                call.caller == process.name && (&*call.account, &*call.region) == target
            });
            let calls: Vec<_> = calls.collect();
            for bucket in &BUCKETS {
                if let Some(at) = bucket.overdrawn(&calls, share) {
                    let (name, at) = (&process.name, evidence.since(at));
                    violations.push(format!("{name} overdraws its {} at {at}", bucket.name));
                }
            }
        }
    }
}

impl Bucket {
    /// When calls first took more than the share of the bucket.
    fn overdrawn(&self, calls: &[&Call], share: f64) -> Option<Instant> {
        const ROUNDING: f64 = 0.01;
        let full = (self.tokens * share).max(1.0);
        let (mut level, mut last) = (full, None);
        for call in calls {
            let cost = (self.cost)(call).min(full);
            if cost == 0.0 {
                continue;
            }
            let since = last.map_or(Duration::ZERO, |last| call.at - last);
            level = (level + since.as_secs_f64() * self.per_sec * share).min(full) - cost;
            last = Some(call.at);
            if level < -self.late - ROUNDING {
                return Some(call.at);
            }
        }
        None
    }
}
