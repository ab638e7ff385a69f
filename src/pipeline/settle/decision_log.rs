//! The decision line: one line in the log for each receive of a message, which says what became of
//! the message and why. `docs/src/logs.md` describes its fields.

use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;
use tracing::{field, info, warn};

use super::record::{Disposition, Record};
use crate::domain::outcome::Outcome;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::mode::Mode;
use crate::inflight::message::Arrival;
use crate::telemetry::logs::ms;

/// Writes the decision line at a level. A macro, since tracing must know the level at compile time.
macro_rules! write_line {
    ($level:ident, $arrival:ident, $record:ident, $sentence:expr) => {{
        let key = $record.about.as_ref().map(|event| &event.key);
        let named = $record.decision.as_deref().filter(|decision| is_named(decision));
        $level!(
            message.id = $arrival.message_id.as_deref(),
            instance.id = key.map(|key| field::display(&key.instance)),
            account = key.map(|key| field::display(&key.account)),
            region = key.map(|key| field::display(&key.region)),
            event.id = key.and_then(|key| key.event_id()),
            decision = $record.decision.as_ref().map_or("none", |decision| decision.label()),
            policies = named.map(|decision| decision.policies()),
            mode = named.and_then(|decision| decision.mode()).map(Mode::label),
            outcome = $record.label(),
            reason = $record.reason(),
            delay_ms = delay($record.disposition).map(ms),
            stop_at = stop_at($record),
            age_ms = of_message($arrival, ms($arrival.age())),
            receives = of_message($arrival, $arrival.receives),
            duration_ms = ms($arrival.at.elapsed()),
            "{}",
            $sentence
        );
    }};
}

/// Writes the decision line of a message, or of an instance that a sweep found: a warning if a
/// message is retried or was rejected.
pub(super) fn write(arrival: &Arrival, record: &Record) {
    match record.disposition {
        _ if arrival.message_id.is_none() => {
            let sentence = sentence_of_sweep(record);
            write_line!(info, arrival, record, sentence);
        }
        Disposition::Delete
        | Disposition::Hide { .. }
        | Disposition::Hold { .. }
        | Disposition::HandBack => {
            write_line!(info, arrival, record, sentence(record));
        }
        Disposition::Retry { .. } | Disposition::Leave { .. } => {
            write_line!(warn, arrival, record, sentence(record));
        }
    }
}

/// What only messages have.
fn of_message<T>(arrival: &Arrival, value: T) -> Option<T> {
    arrival.message_id.is_some().then_some(value)
}

/// The message of the line of an instance that a sweep found.
fn sentence_of_sweep(record: &Record) -> &'static str {
    match record.outcome {
        None => "a sweep found it; the next one will look at it again",
        Some(Outcome::Planned(_)) => "a sweep found it; the owner knows of the stop",
        Some(Outcome::Duplicate) => "a sweep found it; the owner knows",
        Some(outcome) => deletion(outcome, record),
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
        (Disposition::Hide { .. }, None) => "the message is hidden until it is looked at again",
        (Disposition::Hide { .. }, Some(_)) => {
            "the owner knows of the stop; the message is hidden until it is due"
        }
        (Disposition::Hold { .. }, _) => "stops are held; the message is hidden until they go on",
        (Disposition::HandBack, _) => "the daemon drains; handed the message back",
        (Disposition::Leave { .. }, Some(Outcome::Refused(_))) => {
            "EC2 keeps failing; the notice is published, the message left to the redrive policy"
        }
        (Disposition::Leave { .. }, _) => {
            "rejected the message; left it to the queue's redrive policy"
        }
        (Disposition::Delete, Some(outcome)) => deletion(outcome, record),
        (Disposition::Delete, None) => "settled the message",
    }
}

/// The message of the line of a message that is deleted.
fn deletion(outcome: Outcome, record: &Record) -> &'static str {
    match outcome {
        Outcome::Ignored => "deleting a message that is not for this daemon",
        Outcome::AnnouncedBefore => "deleting a repeat of an event that was announced",
        Outcome::Duplicate if record.reason.is_some() => {
            "deleting a message of a launch of which another message waits for the stop"
        }
        Outcome::Duplicate => "deleting a message of an event that another message completed",
        Outcome::Stopped => "stopped; the notice is published",
        Outcome::Exempt => "left running: it has the exception tag",
        Outcome::Refused(_) => "cannot be stopped; the notice is published",
        Outcome::Compliant => "left running: it violates no policy",
        Outcome::WouldStop(None) => "dry run: it would be stopped, and its owner told",
        Outcome::WouldStop(Some(_)) => {
            "dry run: it could not be stopped, and its owner would be told"
        }
        Outcome::Warned => "left running; the warning is published",
        Outcome::Gone => "there is no such instance any more",
        Outcome::CalledOff(_) => "left running; the owner knows that the stop is called off",
        Outcome::Expiring(_) => "left running; the owner knows that its exemption ends",
        Outcome::NotRunning => "its tags changed, and it does not run",
        Outcome::Planned(_) | Outcome::Rejected => "settled the message",
    }
}

/// How long the message stays invisible: the delay of a retry, the time to a planned stop,
/// or until SQS hides it no longer.
fn delay(disposition: Disposition) -> Option<Duration> {
    match disposition {
        Disposition::Retry { after } => Some(after),
        Disposition::Hide { until } | Disposition::Hold { until } => {
            Some(until.saturating_duration_since(Instant::now()))
        }
        _ => None,
    }
}

/// The time of a planned stop, as RFC 3339 has it, in whole seconds.
fn stop_at(record: &Record) -> Option<String> {
    match record.outcome {
        Some(Outcome::Planned(stop)) => stop.truncate_to_second().format(&Rfc3339).ok(),
        _ => None,
    }
}
