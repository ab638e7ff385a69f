//! The calls of a world as text, one a line, to read or to compare.

use std::fmt::Write as _;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use super::drive::Record;

/// Writes a line for every call: when it was made, its caller, its subjects, and its result.
pub(super) fn trace(record: &Record) -> String {
    let mut trace = String::new();
    for call in &record.calls {
        writeln!(trace, "{}", line(record.began, call)).unwrap();
    }
    trace
}

fn line(began: Instant, call: &Call) -> String {
    let since = |at: Instant| at.saturating_duration_since(began);
    let time = |at: Option<Instant>| at.map_or("-".to_owned(), |at| secs(since(at)));
    format!(
        "{:4} {} {} {} {} {} {} {} {:?} {:?} failed {:?} tags {:?} states {:?} stopped {:?} = {:?}",
        call.number,
        secs(since(call.at)),
        time(call.acted),
        time(call.answered),
        call.caller,
        call.account,
        call.region,
        call.operation,
        call.subjects,
        call.timeouts,
        call.failed,
        call.seen_tags,
        call.seen_states,
        call.stopped,
        call.result,
    )
}

fn secs(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}
