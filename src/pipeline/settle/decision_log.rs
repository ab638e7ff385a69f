//! The decision line: one line in the log for each receive of a message, which says what became of
//! the message and why. `docs/src/logs.md` describes its fields.

use std::time::Duration;

use tracing::{field, info, warn};

use super::record::{Disposition, Record};
use crate::domain::outcome::Outcome;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::mode::Mode;
use crate::inflight::message::Arrival;
use crate::telemetry::logs::ms;

/// Writes the decision line at a level. A macro, since tracing must know the level at compile time.
macro_rules! write_line {
    ($level:ident, $arrival:ident, $record:ident) => {{
        let key = $record.about.as_ref().map(|change| &change.key);
        let named = $record.decision.as_deref().filter(|decision| is_named(decision));
        $level!(
            message.id = $arrival.message_id,
            instance.id = key.map(|key| field::display(&key.instance)),
            account = key.map(|key| field::display(&key.account)),
            region = key.map(|key| field::display(&key.region)),
            event.id = key.map(|key| &*key.event_id),
            decision = $record.decision.as_ref().map_or("none", |decision| decision.label()),
            policies = named.map(|decision| decision.policies()),
            mode = named.and_then(|decision| decision.mode()).map(Mode::label),
            outcome = $record.label(),
            reason = $record.reason(),
            delay_ms = delay($record.disposition).map(ms),
            age_ms = ms($arrival.age()),
            receives = $arrival.receives,
            duration_ms = ms($arrival.at.elapsed()),
            "{}",
            sentence($record)
        );
    }};
}

/// Writes the decision line of a message: a warning if the message is retried or was rejected.
pub(super) fn write(arrival: &Arrival, record: &Record) {
    match record.disposition {
        Disposition::Delete | Disposition::HandBack => write_line!(info, arrival, record),
        Disposition::Retry { .. } | Disposition::Leave { .. } => write_line!(warn, arrival, record),
    }
}

/// Whether the line names policies: those that stop by the exception tag alone need no name.
fn is_named(decision: &Decision) -> bool {
    !decision.denials.is_empty() && !decision.is_plain()
}

/// The message of the line.
fn sentence(record: &Record) -> &'static str {
    match (record.disposition, record.outcome) {
        (Disposition::Retry { .. }, _) => "the message will be tried again",
        (Disposition::HandBack, _) => "the daemon drains; handed the message back",
        (Disposition::Leave { .. }, Some(Outcome::Refused(_))) => {
            "EC2 keeps failing; the notice is published, the message left to the redrive policy"
        }
        (Disposition::Leave { .. }, _) => {
            "rejected the message; left it to the queue's redrive policy"
        }
        (Disposition::Delete, Some(Outcome::Ignored)) => {
            "deleting a message that is not for this daemon"
        }
        (Disposition::Delete, Some(Outcome::AnnouncedBefore)) => {
            "deleting a repeat of an event that was announced"
        }
        (Disposition::Delete, Some(Outcome::Duplicate)) => {
            "deleting a message of an event that another message completed"
        }
        (Disposition::Delete, Some(Outcome::Stopped)) => "stopped; the notice is published",
        (Disposition::Delete, Some(Outcome::Exempt)) => "left running: it has the exception tag",
        (Disposition::Delete, Some(Outcome::Refused(_))) => {
            "cannot be stopped; the notice is published"
        }
        (Disposition::Delete, Some(Outcome::Compliant)) => "left running: it violates no policy",
        (Disposition::Delete, Some(Outcome::WouldStop(None))) => {
            "dry run: it would be stopped, and its owner told"
        }
        (Disposition::Delete, Some(Outcome::WouldStop(Some(_)))) => {
            "dry run: it could not be stopped, and its owner would be told"
        }
        (Disposition::Delete, Some(Outcome::Warned)) => "left running; the warning is published",
        (Disposition::Delete, Some(Outcome::Planned(_))) => "the stop is planned",
        (Disposition::Delete, Some(Outcome::Gone)) => "there is no such instance any more",
        (Disposition::Delete, Some(Outcome::Rejected) | None) => "settled the message",
    }
}

/// The delay of a retry.
fn delay(disposition: Disposition) -> Option<Duration> {
    match disposition {
        Disposition::Retry { after } => Some(after),
        _ => None,
    }
}
