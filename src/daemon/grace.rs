//! Whether the queue can hide messages for as long as the graces of the policies last. A message
//! waits there for the stop: if its retention ended before, or it was received too often, the
//! instance would go on running, and nobody would know.

use std::time::Duration;

use time::UtcDateTime;

use crate::aws::sqs::attributes::Attributes;
use crate::domain::policy::Policies;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::rule::{Rule, span};
use crate::retry::delays;
use crate::settings::SettingsError;

/// How many receives are left for other things than waiting: retries, deploys and outages.
const OTHER_RECEIVES: u32 = 10;

/// The attributes of a queue that limit how long a message may wait in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// How long it keeps a message.
    pub(crate) retention: Duration,
    /// How often a message is received before SQS moves it to the dead-letter queue; `None` without
    /// a redrive policy.
    pub(crate) max_receives: Option<u32>,
}

impl QueueLimits {
    /// The limits by a queue's attributes.
    pub(crate) fn of(attributes: &Attributes) -> Self {
        let max_receives = attributes.redrive.as_ref().map(|redrive| redrive.max_receives);
        Self { retention: attributes.retention, max_receives }
    }
}

/// Refuses the policy whose messages wait longest, with its key, its value and the remedy; `None` if
/// the queue suits the graces of all policies.
pub(crate) fn misfit(
    policies: &Policies,
    limits: QueueLimits,
    now: UtcDateTime,
) -> Option<SettingsError> {
    let enforced = policies.rules().filter(|rule| rule.mode == Mode::Enforce);
    let waits = enforced.filter_map(|rule| Some((wait(rule, now)?, rule)));
    let (wait, rule) = waits.max_by_key(|(wait, _)| *wait)?;
    let trouble = short_retention(wait, limits).or_else(|| few_receives(wait, limits))?;
    let period = rule.grace.map(|grace| span(grace.period)).unwrap_or_default();
    Some(SettingsError::text(&key(rule), &period, trouble))
}

/// How long the message of an instance that starts now waits for its stop; `None` without a grace.
fn wait(rule: &Rule, now: UtcDateTime) -> Option<Duration> {
    let grace = rule.grace?;
    let before = (grace.since - now).max(time::Duration::ZERO);
    Duration::try_from(before.saturating_add(grace.period)).ok()
}

fn short_retention(wait: Duration, limits: QueueLimits) -> Option<String> {
    let needed = wait + delays::RETENTION_RESERVE;
    if needed <= limits.retention {
        return None;
    }
    let (waits, kept, wanted) = (days(wait), days(limits.retention), days(needed));
    let reserve = days(delays::RETENTION_RESERVE);
    let remedy = if needed > delays::LONGEST_RETENTION {
        "shorten the grace, or set the date since which it binds no further ahead".to_owned()
    } else {
        format!("raise the queue's retention to {wanted}, or shorten the grace")
    };
    Some(format!(
        "messages wait for {waits} for their stop, and the queue keeps them for {kept}, of which \
         {reserve} must be left; {remedy}"
    ))
}

fn few_receives(wait: Duration, limits: QueueLimits) -> Option<String> {
    let count = limits.max_receives?;
    let hidings = wait.as_secs().div_ceil(delays::LONGEST_INVISIBLE.as_secs());
    let needed = u32::try_from(hidings).unwrap_or(u32::MAX).saturating_add(OTHER_RECEIVES);
    (needed > count).then(|| {
        format!(
            "messages may be received {needed} times until their stop, and the queue's \
             maxReceiveCount is {count}; raise it to {needed}, or shorten the grace"
        )
    })
}

/// Where the grace of a policy is written.
fn key(rule: &Rule) -> String {
    if rule.is_builtin() {
        "policy.grace".to_owned()
    } else {
        format!("{}: @grace of {}", rule.place, rule.id)
    }
}

/// A time in days, or in hours where it is not a whole number of days.
pub(super) fn days(time: Duration) -> String {
    let hours = time.as_secs().div_ceil(3600);
    if hours.is_multiple_of(24) { format!("{} d", hours / 24) } else { format!("{hours} h") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::rule::Grace;
    use crate::domain::policy::{Sources, Vocabulary};

    const DAY: Duration = Duration::from_hours(24);
    const NOW: UtcDateTime = UtcDateTime::UNIX_EPOCH;

    fn misfit_of(days: i64, mode: Mode, limits: (u64, Option<u32>)) -> Option<String> {
        let grace = Grace { period: time::Duration::days(days), since: NOW };
        misfit_by(grace, mode, limits)
    }

    fn misfit_by(grace: Grace, cap: Mode, limits: (u64, Option<u32>)) -> Option<String> {
        let sources = Sources { builtin: true, grace: Some(grace), cap, ..Sources::bare("KEEP") };
        let policies = Policies::load(&sources, &Vocabulary::default()).unwrap();
        let (days, max_receives) = limits;
        let retention = DAY * u32::try_from(days).unwrap();
        let misfit = misfit(&policies, QueueLimits { retention, max_receives }, NOW);
        misfit.map(|refusal| refusal.to_string())
    }

    #[test]
    fn a_grace_must_end_two_days_before_the_retention() {
        assert_eq!(misfit_of(2, Mode::Enforce, (4, None)), None);
        assert_eq!(
            misfit_of(3, Mode::Enforce, (4, None)).as_deref(),
            Some(
                "policy.grace = \"3d\": messages wait for 3 d for their stop, and the queue keeps \
                 them for 4 d, of which 2 d must be left; raise the queue's retention to 5 d, or \
                 shorten the grace"
            )
        );
    }

    #[test]
    fn each_12_h_of_a_grace_cost_a_receive() {
        assert_eq!(misfit_of(5, Mode::Enforce, (14, Some(20))), None);
        assert_eq!(
            misfit_of(5, Mode::Enforce, (14, Some(19))).as_deref(),
            Some(
                "policy.grace = \"5d\": messages may be received 20 times until their stop, and \
                 the queue's maxReceiveCount is 19; raise it to 20, or shorten the grace"
            )
        );
    }

    #[test]
    fn a_grace_without_an_enforced_policy_waits_for_nothing() {
        assert_eq!(misfit_of(7, Mode::Warn, (1, Some(1))), None);
        let policies = Policies::builtin("KEEP");
        let limits = QueueLimits { retention: DAY, max_receives: Some(1) };
        assert!(misfit(&policies, limits, NOW).is_none());
    }

    #[test]
    fn a_policy_that_binds_later_has_its_messages_wait_until_then() {
        let grace = |days| Grace {
            period: time::Duration::days(1),
            since: NOW + time::Duration::days(days),
        };
        assert_eq!(misfit_by(grace(1), Mode::Enforce, (4, None)), None);
        assert!(misfit_by(grace(2), Mode::Enforce, (4, None)).unwrap().contains("to 5 d"));
        let far = misfit_by(grace(20), Mode::Enforce, (14, None)).unwrap();
        assert!(far.ends_with("set the date since which it binds no further ahead"), "{far}");
    }
}
