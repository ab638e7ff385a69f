//! When calls to EC2 failed in an account and region, worked out from the calls of each process.

use std::collections::{BTreeMap, BTreeSet};

use ec2_policy_enforcer::sandbox::{Call, Outcome, Service};
use tokio::time::Instant;

use super::drive::Record;
use super::members::Target;
use super::names::assumed;
use super::plan::Instance;
use super::result::is_answered;

/// The operations of EC2 that the daemon calls.
pub(super) const OPERATIONS: [&str; 3] = ["DescribeTags", "DescribeInstances", "StopInstances"];

/// From the first failure to the next answer of a call that began later; `None` if there was none.
/// A role that cannot be assumed fails all operations.
pub(super) type Outage = (Instant, Option<Instant>);

/// The outages of each operation, by process, account and region.
#[derive(Default)]
pub(super) struct Outages(BTreeMap<String, Vec<Outage>>);

impl Outages {
    pub(super) fn of_all(record: &Record) -> Self {
        let instances = record.plan.instances.iter();
        let targets: BTreeSet<_> = instances.map(Instance::target).collect();
        let mut calls: BTreeMap<_, Vec<&Call>> = BTreeMap::new();
        for call in record.calls.iter().filter(|call| call.closed.is_some()) {
            let target = (call.account.as_str(), call.region.as_str());
            if call.service == Service::Ec2 {
                let key = key(&call.caller, target, &call.operation);
                calls.entry(key).or_default().push(call);
            }
            let Some(account) = assumed(call) else { continue };
            for target in targets.iter().filter(|(one, _)| *one == account) {
                for operation in OPERATIONS {
                    let key = key(&call.caller, *target, operation);
                    calls.entry(key).or_default().push(call);
                }
            }
        }
        Self(calls.into_iter().map(|(key, calls)| (key, outages(calls))).collect())
    }

    /// The outages of an operation of a process in an account and region.
    pub(super) fn of(&self, process: &str, target: Target<'_>, operation: &str) -> &[Outage] {
        self.0.get(&key(process, target, operation)).map_or(&[], Vec::as_slice)
    }
}

fn key(process: &str, (account, region): Target<'_>, operation: &str) -> String {
    format!("{process} {account} {region} {operation}")
}

fn outages(mut calls: Vec<&Call>) -> Vec<Outage> {
    calls.sort_by_key(|call| (call.closed, call.number));
    let (mut outages, mut since) = (Vec::new(), None);
    for call in calls {
        let Some(closed) = call.closed else { continue };
        if fails(call) {
            since.get_or_insert(closed);
        } else if call.service == Service::Ec2 && since.is_some_and(|from| call.at >= from) {
            outages.extend(since.take().map(|from| (from, Some(closed))));
        }
    }
    outages.extend(since.map(|from| (from, None)));
    outages
}

/// Whether a call failed, so that its operation may be paused.
fn fails(call: &Call) -> bool {
    const OF_INSTANCES: [&str; 4] = [
        "InvalidInstanceID.NotFound",
        "IncorrectInstanceState",
        "OperationNotPermitted",
        "UnsupportedOperation",
    ];
    let is_answer = |code: &str| OF_INSTANCES.contains(&code);
    !is_answered(call) && !matches!(&call.result, Outcome::Failed { code } if is_answer(code))
}
