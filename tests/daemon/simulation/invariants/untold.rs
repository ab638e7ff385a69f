//! No stop begins while the process knows that notices are refused: its owner could not be told.

use ec2_policy_enforcer::sandbox::{Call, Outcome};
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::history::Nature;

/// Errors upon which publishing is paused at once, until SNS accepts a notice.
const REFUSED: [&str; 4] = ["AuthorizationError", "AccessDenied", "ExpiredToken", "NotFound"];

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for process in &evidence.record.history.processes {
        let publishes = evidence.publishes.iter().filter(|call| call.caller == process.name);
        let publishes: Vec<_> = publishes
            .filter(|call| !evidence.is_struck(call, Nature::Panicking))
            .filter_map(|call| Some((call.answered?, is_refused(call))))
            .collect();
        let stops = evidence.calls("StopInstances").filter(|call| call.caller == process.name);
        for stop in stops.filter(|stop| are_refused(&publishes, stop.at)) {
            let (number, at) = (stop.number, evidence.since(stop.at));
            violations.push(format!("call {number} stops at {at}, while notices are refused"));
        }
    }
}

/// Whether a publish was refused before this time, and none was answered otherwise since then.
fn are_refused(publishes: &[(Instant, bool)], time: Instant) -> bool {
    let before = publishes.iter().filter(|(at, is_refused)| *is_refused && *at < time);
    before.map(|(at, _)| *at).max().is_some_and(|last| {
        let mut since = publishes.iter().filter(|(at, _)| (last..=time).contains(at));
        since.all(|(_, is_refused)| *is_refused)
    })
}

fn is_refused(publish: &Call) -> bool {
    matches!(&publish.result, Outcome::Failed { code } if REFUSED.contains(&code.as_str()))
}
