//! No message waits without a reason.
//!
//! From when a message can be received until it is deleted or retried, the process that has it must
//! always have a call in flight. These reasons to wait are excused:
//! - [`RECOVERY`] after each call that failed for a while. A back-off or a pause delays the next
//!   attempt by up to 10 s, the longest interval; a look that first waits for the probe of its stop
//!   is delayed by two intervals.
//!   A region in which EC2 refuses the credentials excuses only the messages about its instances,
//!   and, where these can fill the inbox, any that has not been received.
//! - [`UNANSWERED`] after a publish that was not answered. Its notices may have been sent, so they
//!   are not soon published again.
//! - After each publish to a topic with e-mail subscribers, the [`SECOND`] in which its notices
//!   count.
//! - After each call to EC2, if the process has only a share of EC2's token buckets, the time until
//!   the next call may be made.
//! - [`POISONED`] in all for each poisoned instance. A batch with it is tried until the interval is
//!   above 5 s (0.2 + 0.4 + … + 3.2 = 6.2 s), then halved with a probe in between until the
//!   instance is alone (1 + 2 + 4 + 8 + 10 = 25 s for 32 instances). A message that comes during
//!   this pause waits for two probes (20 s). Each further message about the instance adds one
//!   [`PROBE`].
//! - [`MIXED`] instead, if looks fail for one instance and stops for another. Between two looks are
//!   two probes of stops (20 s), and a batch is halved only after six looks, twice for each.
//! - [`RENEWAL`] in all for a message that was renewed just before it was settled: a renewal that
//!   is due comes first, but not sooner than this after the round of renewals before it.
//! - A [`MOMENT`] in all.
//!
//! The calls that read the queue's tags, and the notices to operators, hold no message up, so that
//! they are neither work nor a reason. A message that is hidden because stops are held does not wait.

use std::collections::BTreeMap;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Outcome};
use tokio::time::Instant;

use super::scope::Scope;
use crate::simulation::concern::{Concern, Concerns};
use crate::simulation::evidence::Evidence;
use crate::simulation::history::{Nature, Process};
use crate::simulation::result::{is_answered, is_troubled, over};
use crate::simulation::stays::{Stay, stays};
use crate::simulation::times::Times;
use crate::simulation::told::is_to_operators;

const RECOVERY: Duration = Duration::from_secs(20);
const UNANSWERED: Duration = Duration::from_mins(5);
const POISONED: Duration = Duration::from_secs(52);
const MIXED: Duration = Duration::from_secs(150);
const PROBE: Duration = Duration::from_secs(10);
const RENEWAL: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_secs(1);
/// How long a token bucket takes to refill what one call costs, with the whole share: a describing
/// call costs one of 20 tokens a second (50 ms); a stop one of 5 a second (200 ms) and, for its up
/// to ten instances, ten of 20 a second (500 ms).
const NEXT_LOOK: Duration = Duration::from_millis(50);
const NEXT_STOP: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);
/// Errors of the sandbox itself that slow the daemon down: of the IAM guard, and of the token
/// buckets.
const SLOWING: [&str; 2] = ["UnauthorizedOperation", "RequestLimitExceeded"];

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let rejected = evidence.record.history.rejected();
    let concerns = Concerns::of(evidence);
    let mut activities = BTreeMap::new();
    for sent in &evidence.record.history.sent {
        let message = sent.message.as_str();
        if rejected.contains(message) {
            continue;
        }
        let mut dead = evidence.record.dead_letters.iter();
        let is_dead = dead.any(|letter| letter.id == message);
        let scope = Scope::of(evidence, message);
        let activities = activities.entry(scope).or_insert_with(|| scope.activities(evidence));
        for stay in stays(evidence, sent) {
            if is_dead && stay.holder.is_none() && stay.end.is_none() {
                continue; // A receive moved it to the dead-letter queue.
            }
            for activity in activities.iter().filter(|activity| activity.could_have(&stay)) {
                let renewal = if is_renewed_last(evidence, &stay, message) {
                    RENEWAL
                } else {
                    Duration::ZERO
                };
                let concern = concerns.about(message);
                if let Some(waited) = activity.keeps_waiting(&stay, renewal, concern) {
                    let (name, since) = (&activity.process.name, evidence.since(stay.since));
                    violations.push(format!(
                        "{name} lets {message} wait for {waited:?} without a reason, after {since}"
                    ));
                }
            }
        }
    }
}

/// When a process worked or had a reason not to.
pub(super) struct Activity<'r> {
    process: &'r Process,
    until: Instant,
    /// When it had a call in flight or a reason to wait, for each concern of a message: failed
    /// calls excuse more where they are about its instance or region.
    excused: [Times; 4],
    /// The same until a message is received, if that is not the same.
    before_receipt: Option<[Times; 4]>,
    /// How long poisoned instances may hold a message up in all.
    poisoned: Duration,
}

impl<'r> Activity<'r> {
    pub(super) fn of(evidence: &Evidence<'_>, process: &'r Process, scope: Scope<'_>) -> Self {
        let ended = process.ended.as_ref().map(|ended| ended.at);
        let settled = evidence.record.settled;
        let calls = evidence.record.calls.iter().filter(|call| {
            call.caller == process.name
                && call.operation != "ListQueueTags"
                && !is_to_operators(call)
                && scope.concerns(call)
        });
        let calls: Vec<_> = calls.collect();
        let work = calls.iter().filter(|call| is_work(evidence, call));
        let work: Vec<_> = work.map(|call| (call.at, over(call))).collect();
        let recovery = |slows: &dyn Fn(&Call) -> bool| -> Vec<_> {
            let slow = calls.iter().filter(|call| slows(call));
            slow.map(|call| (call.at, over(call) + slows_for(call))).collect()
        };
        let mut passing =
            recovery(&|call| slows_down(evidence, call) || scope.is_troubled_by(evidence, call));
        let limited = calls.iter().filter_map(|call| {
            let wait = rate_limit_wait(evidence, call)?;
            Some((call.at, over(call) + wait))
        });
        passing.extend(limited);
        passing.extend(calls.iter().filter_map(|call| mail_wait(evidence, call)));
        passing.extend(first_readings(evidence, process));
        let poison = recovery(&|call| evidence.is_struck(call, Nature::Poison));
        let regional = recovery(&|call| evidence.is_struck(call, Nature::Regional));
        let excused = |concern: Concern| {
            let poison = poison.iter().filter(|_| concern.poisoned);
            let regional = regional.iter().filter(|_| concern.refused);
            Times::of(work.iter().chain(&passing).chain(poison).chain(regional).copied())
        };
        Self {
            process,
            until: process.signalled.or(ended).unwrap_or(settled).min(settled),
            poisoned: poisoned(evidence, scope),
            excused: Concern::ALL.map(excused),
            before_receipt: None,
        }
    }

    /// The same, with another one that counts until a message is received.
    pub(super) fn before_its_receipt(self, other: Self) -> Self {
        Self { before_receipt: Some(other.excused), ..self }
    }

    fn could_have(&self, stay: &Stay<'_>) -> bool {
        stay.holder.is_none_or(|(holder, _)| holder == self.process.name)
    }

    /// How long a message waited in this process without a reason, if that is too long.
    /// `renewal` is how long it may have waited for its renewal.
    fn keeps_waiting(
        &self,
        stay: &Stay<'_>,
        renewal: Duration,
        concern: Concern,
    ) -> Option<Duration> {
        let from = stay.since.max(self.process.began);
        let to = stay.end.map_or(self.until, |(at, _)| at.min(self.until));
        let received = stay.holder.map_or(to, |(_, at)| at.min(to).max(from));
        let before = self.before_receipt.as_ref().unwrap_or(&self.excused);
        let before = &before[concern.before_its_receipt().place()];
        let waited =
            before.left_of(from, received) + self.excused[concern.place()].left_of(received, to);
        (waited > renewal + MOMENT + self.poisoned).then_some(waited)
    }
}

/// When a process that has a budget could not read the queue's tags at its start: until then it
/// receives nothing, since a hold that it does not see would not bind it.
fn first_readings(evidence: &Evidence<'_>, process: &Process) -> Option<(Instant, Instant)> {
    let first = |operation| evidence.calls(operation).find(|call| call.caller == process.name);
    let read = first("ListQueueTags")?;
    let received = first("ReceiveMessage").map_or(evidence.record.settled, |call| call.at);
    (is_troubled(read) && read.at < received).then_some((read.at, received))
}

/// When the notices of a publish count, where somebody is subscribed by e-mail.
fn mail_wait(evidence: &Evidence<'_>, call: &Call) -> Option<(Instant, Instant)> {
    let counts = evidence.record.plan.mails && call.operation == "PublishBatch";
    counts.then(|| (call.at, over(call) + SECOND))
}

/// How long poisoned instances may hold a message up in all.
fn poisoned(evidence: &Evidence<'_>, scope: Scope<'_>) -> Duration {
    let plan = &evidence.record.plan;
    let mut instances = plan.poisoned();
    instances.retain(|number| scope.holds(plan.instances[*number].target()));
    let messages = evidence.record.history.about(&instances).len();
    let each = if is_mixed(evidence) { MIXED } else { POISONED };
    each * u32::try_from(instances.len()).unwrap()
        + PROBE * u32::try_from(messages.saturating_sub(instances.len())).unwrap()
}

/// How long the rate limit may delay the call after this one.
fn rate_limit_wait(evidence: &Evidence<'_>, call: &Call) -> Option<Duration> {
    let whole = match call.operation.as_str() {
        "DescribeTags" => NEXT_LOOK,
        // The permit of a stop is taken before the look, which can show that there is nothing to
        // stop.
        "DescribeInstances" | "StopInstances" => NEXT_STOP,
        _ => return None,
    };
    let percent = evidence.record.plan.share_percent;
    (percent < 100).then(|| whole * 100 / percent)
}

/// Whether looks fail for one instance, and stops for another.
fn is_mixed(evidence: &Evidence<'_>) -> bool {
    let is_poisoned = |operation| {
        let mut calls = evidence.calls(operation);
        calls.any(|call| evidence.is_struck(call, Nature::Poison))
    };
    is_poisoned("DescribeInstances") && is_poisoned("StopInstances")
}

/// Whether a call is work on a message. Polls and renewals are not.
fn is_work(evidence: &Evidence<'_>, call: &Call) -> bool {
    call.operation != "ReceiveMessage" && !is_renewal(evidence, call)
}

fn is_renewal(evidence: &Evidence<'_>, call: &Call) -> bool {
    let visibility = i64::try_from(evidence.record.plan.visibility.as_secs()).unwrap();
    !call.timeouts.is_empty() && call.timeouts.iter().all(|(_, secs)| *secs == visibility)
}

/// Whether the message was renewed less than a [`MOMENT`] before its stay ended.
fn is_renewed_last(evidence: &Evidence<'_>, stay: &Stay<'_>, message: &str) -> bool {
    let (Some((holder, _)), Some((end, _))) = (stay.holder, stay.end) else { return false };
    let calls = evidence.by_message.get(message).into_iter().flatten();
    let mut renewals =
        calls.filter(|call| call.caller == holder && is_renewal(evidence, call) && call.at <= end);
    renewals.any(|call| over(call) + MOMENT > end)
}

fn slows_down(evidence: &Evidence<'_>, call: &Call) -> bool {
    let refused = |code: &str| SLOWING.contains(&code);
    evidence.is_struck(call, Nature::Passing)
        || matches!(&call.result, Outcome::Failed { code } if refused(code))
}

/// How long the daemon may wait after a call that failed.
fn slows_for(call: &Call) -> Duration {
    let is_lost = !is_answered(call) && !matches!(call.result, Outcome::Failed { .. });
    if call.operation == "PublishBatch" && is_lost { UNANSWERED } else { RECOVERY }
}
