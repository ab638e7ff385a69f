//! The line of the audit trail for a message that was worked on, made from the same record as its
//! decision line.

use super::record::Record;
use crate::domain::audit::outcome::OutcomeLine;
use crate::domain::outcome::Outcome;
use crate::inflight::message::Arrival;
use crate::inflight::plans::Plans;
use crate::pipeline::audit::{Audit, LineNumber};
use crate::pipeline::seen::seen;
use crate::pipeline::settle::record::{Disposition, Evidence};

/// Adds the line of a message to the trail. Returns its number, if the message is to wait for it; a
/// message without an outcome has no line.
pub(super) fn add(
    audit: &Audit,
    arrival: &Arrival,
    record: &Record,
    plans: &Plans,
) -> Option<LineNumber> {
    let outcome = record.outcome.filter(|_| audit.is_on())?;
    let is_left = matches!(record.disposition, Disposition::Leave { .. });
    if is_left && audit.is_crowded() {
        // Its message is not deleted, and does not wait.
        return None;
    }
    let mut line = of(arrival.message_id.as_deref(), (record, outcome), audit);
    line.deadline = deadline(record, outcome, plans);
    audit.add(&line)
}

/// The line of a message with this outcome.
fn of<'of>(
    message: Option<&'of str>,
    (record, outcome): (&'of Record, Outcome),
    audit: &Audit,
) -> OutcomeLine<'of> {
    let Evidence { first_look, second_look, notice } = &record.evidence;
    let seen = seen(first_look.as_ref(), second_look.as_ref(), |moment| audit.at(moment));
    // A repeat of an event is not judged again.
    let decision = record.decision.as_deref().filter(|_| outcome != Outcome::AnnouncedBefore);
    OutcomeLine {
        time: audit.now(),
        message,
        about: record.about.as_ref(),
        seen,
        decision,
        outcome,
        reason: record.reason(),
        deadline: None,
        notice: notice.as_deref().filter(|id| !id.is_empty()),
    }
}

/// The time of the stop, or of the end of the exemption, that the owner was told of.
fn deadline(record: &Record, outcome: Outcome, plans: &Plans) -> Option<time::UtcDateTime> {
    if let Outcome::Planned(at) | Outcome::Expiring(at) = outcome {
        return Some(at);
    }
    let launched = record.evidence.second_look.as_ref().and_then(|shown| shown.facts.launched());
    plans.told(&record.about.as_ref()?.key, launched)
}
