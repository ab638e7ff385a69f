//! The counts with which a drain ends are those that SQS saw.

use std::ops::RangeInclusive;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::history::{Ended, Process};
use crate::simulation::result::{is_accepted, is_told_of};
use crate::simulation::told::Hiding;

/// SQS takes whole seconds, and counts them from when it carries out the call.
const PRECISION: Duration = Duration::from_secs(2);

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for process in &evidence.record.history.processes {
        let Some(ended) = &process.ended else { continue };
        let (Some(signalled), Some(drained)) = (process.signalled, &ended.drained) else {
            continue;
        };
        let deleted = deletions(evidence, process, signalled);
        let hands_back = |secs: i64, call: &Call, message: &str| {
            secs == 0 && !evidence.is_release(call, message)
        };
        let handed_back = visibility_changes(evidence, process, signalled, hands_back);
        let backing_off = invisible(evidence, process, ended, [Hiding::No, Hiding::Maybe]);
        let planned = invisible(evidence, process, ended, [Hiding::Sure, Hiding::Maybe]);
        // A call in flight when the time of the drain is over may take effect and not be counted.
        if ended.at >= signalled + evidence.record.plan.drain_timeout {
            continue;
        }
        let counts = drained.counts;
        for (what, counted, true_range) in [
            ("deleted", counts.deleted, deleted),
            ("handed back", counts.handed_back, handed_back),
            ("backing off", counts.backing_off, backing_off),
            ("planned or on hold", counts.planned + counts.on_hold, planned),
        ] {
            if !true_range.contains(&counted) {
                let name = &process.name;
                violations.push(format!("{name} counts {counted} {what}, and SQS {true_range:?}"));
            }
        }
    }
}

/// How many of the moments are after the signal. One at the same time may count or not.
fn around(moments: &[Instant], signalled: Instant) -> RangeInclusive<u64> {
    let after = moments.iter().filter(|at| **at > signalled).count();
    let since = moments.iter().filter(|at| **at >= signalled).count();
    after as u64..=since as u64
}

/// The deletions after the signal. A process counts the answers, and cannot always know that a
/// receipt handle was stale.
fn deletions(
    evidence: &Evidence<'_>,
    process: &Process,
    signalled: Instant,
) -> RangeInclusive<u64> {
    let (mut deleted, mut answered) = (Vec::new(), Vec::new());
    for call in by(evidence, process, "DeleteMessageBatch") {
        let moments = |which: fn(&Call, &str) -> bool| {
            let messages = call.subjects.iter().filter(move |message| which(call, message));
            messages.filter_map(|_| call.answered)
        };
        deleted.extend(moments(is_accepted));
        answered.extend(moments(is_told_of));
    }
    *around(&deleted, signalled).start()..=*around(&answered, signalled).end()
}

/// The answered changes of visibility after the signal that fulfil a condition.
fn visibility_changes(
    evidence: &Evidence<'_>,
    process: &Process,
    signalled: Instant,
    which: impl Fn(i64, &Call, &str) -> bool,
) -> RangeInclusive<u64> {
    let mut moments = Vec::new();
    for call in by(evidence, process, "ChangeMessageVisibilityBatch") {
        for (message, secs) in &call.timeouts {
            if is_accepted(call, message) && which(*secs, call, message) {
                moments.extend(call.answered);
            }
        }
    }
    around(&moments, signalled)
}

/// The messages that are retried later, or hidden until the stop of their instance or because stops
/// are held, when the process ends: those that are surely, and those that may be.
fn invisible(
    evidence: &Evidence<'_>,
    process: &Process,
    ended: &Ended,
    [sure, maybe]: [Hiding; 2],
) -> RangeInclusive<u64> {
    let visibility = evidence.record.plan.visibility.as_secs();
    let still = |at: Instant, hidings: &[Hiding]| {
        let is_pending = |secs: i64, call: &Call, message: &str| {
            let secs = u64::try_from(secs).unwrap();
            secs > 0
                && secs != visibility
                && call.acted.unwrap() + Duration::from_secs(secs) > at
                && hidings.contains(&evidence.hiding(call, message))
        };
        *visibility_changes(evidence, process, evidence.record.began, is_pending).end()
    };
    let before = ended.at.checked_sub(PRECISION).unwrap_or(ended.at);
    still(ended.at + PRECISION, &[sure])..=still(before, &[sure, maybe])
}

fn by<'e>(
    evidence: &'e Evidence<'_>,
    process: &'e Process,
    operation: &'static str,
) -> impl Iterator<Item = &'e Call> {
    evidence.calls(operation).filter(|call| call.caller == process.name)
}
