//! No stop begins while the process knows that notices are refused: its owner could not be told.

use ec2_policy_enforcer::sandbox::{Call, Outcome};
use tokio::time::Instant;

use crate::simulation::evidence::Evidence;
use crate::simulation::history::Nature;

/// How many instances may be stopped while it is unknown whether SNS accepts notices.
const TRIAL: usize = 10;
/// Errors upon which publishing is paused at once, until SNS accepts a notice.
const REFUSED: [&str; 4] = ["AuthorizationError", "AccessDenied", "ExpiredToken", "NotFound"];

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    for process in &evidence.record.history.processes {
        let own = |call: &&Call| call.caller == process.name;
        let publishes: Vec<_> = evidence.publishes.iter().copied().filter(own).collect();
        let stops: Vec<_> = evidence.calls("StopInstances").filter(own).collect();
        for stop in &stops {
            let Some(refused) = refused(evidence, &publishes, stop.at) else { continue };
            if !is_trial(evidence, &publishes, &stops, (refused, stop)) {
                let (number, at) = (stop.number, evidence.since(stop.at));
                violations.push(format!("call {number} stops at {at}, while notices are refused"));
            }
        }
    }
}

/// When a publish was refused last before this time, if none was answered otherwise since then.
fn refused(evidence: &Evidence<'_>, publishes: &[&Call], time: Instant) -> Option<Instant> {
    let answers = publishes.iter().filter(|call| !evidence.is_struck(call, Nature::Panicking));
    let answers: Vec<_> =
        answers.filter_map(|call| Some((call.answered?, is_refused(call)))).collect();
    let before = answers.iter().filter(|(at, is_refused)| *is_refused && *at < time);
    let last = before.map(|(at, _)| *at).max()?;
    let mut since = answers.iter().filter(|(at, _)| (last..=time).contains(at));
    since.all(|(_, is_refused)| *is_refused).then_some(last)
}

/// Whether a stop is one of those that are tried after a panic. A panic has its notices' messages
/// retried; where none is left that would probe, the pause ends, and ten instances may be stopped.
fn is_trial(
    evidence: &Evidence<'_>,
    publishes: &[&Call],
    stops: &[&Call],
    (refused, stop): (Instant, &Call),
) -> bool {
    let panicked = publishes.iter().filter(|call| evidence.is_struck(call, Nature::Panicking));
    let panicked = panicked.filter_map(|call| call.closed);
    let since = panicked.filter(|at| refused <= *at && *at <= stop.at).min();
    since.is_some_and(|since| {
        let tried = stops.iter().filter(|one| since <= one.at && one.number <= stop.number);
        tried.map(|one| one.subjects.len()).sum::<usize>() <= TRIAL
    })
}

fn is_refused(publish: &Call) -> bool {
    matches!(&publish.result, Outcome::Failed { code } if REFUSED.contains(&code.as_str()))
}
