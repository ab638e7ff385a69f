//! Nobody is kept waiting: whoever has work either does it or has a reason not to.
//!
//! From when a message can be received until it is deleted or returned, the process that has it
//! must always have a call in flight, save
//! - for [`RECOVERY`] after each call that failed for a while: what a back-off or a pause put off
//!   comes within the longest interval (10 s), and a look that waits for the turn of its stop
//!   first, within two;
//! - for [`DOUBT`] after a publish that was not answered: what may have reached everybody is not
//!   tried soon again;
//! - after each call to EC2 where the process has a share of its buckets, for as long as it takes
//!   until the next one may be made;
//! - for [`POISONED`] in all for each instance for which calls fail: a batch is tried until
//!   its interval passes 5 s (0.2 + 0.4 + … + 3.2 = 6.2 s) and halved from then on, with a probe
//!   in between, until the bad one stands alone (1 + 2 + 4 + 8 + 10 = 25 s for 32 instances); and
//!   who comes during its pause waits for two probes (20 s); and for a probe for each further
//!   message about it;
//! - for [`MIXED`] instead where looks fail for one and stops for another: between two looks come
//!   two probes of stops (20 s), and a batch is halved only after six looks, twice for each;
//! - for a [`MOMENT`].

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Outcome};
use tokio::time::Instant;

use crate::simulation::diary::{Nature, Process};
use crate::simulation::evidence::Evidence;
use crate::simulation::result::is_answered;
use crate::simulation::stays::{Stay, stays};
use crate::simulation::times::Times;

const RECOVERY: Duration = Duration::from_secs(20);
const DOUBT: Duration = Duration::from_mins(5);
const POISONED: Duration = Duration::from_secs(52);
const MIXED: Duration = Duration::from_secs(150);
const PROBE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_secs(1);
/// How long a whole bucket of EC2 takes to give what a call needs: a describing call gets one of
/// 20 tokens a second, and a stop one of 5, or up to ten of the instances' 20.
const NEXT_LOOK: Duration = Duration::from_millis(50);
const NEXT_STOP: Duration = Duration::from_millis(500);
/// Refusals that slow the daemon down without a fault: the role's, and those of EC2's buckets.
const SLOWING: [&str; 2] = ["UnauthorizedOperation", "RequestLimitExceeded"];

pub(super) fn check(evidence: &Evidence<'_>, violations: &mut Vec<String>) {
    let rejected = evidence.record.diary.rejected();
    let poisoned = evidence.record.plan.poisoned();
    let poisoned = evidence.record.diary.about(&poisoned);
    let processes = evidence.record.diary.processes.iter();
    let shifts: Vec<_> = processes.map(|process| Shift::of(evidence, process)).collect();
    for sent in &evidence.record.diary.sent {
        let message = sent.message.as_str();
        if rejected.contains(message) {
            continue;
        }
        let mut dead = evidence.record.dead_letters.iter();
        let is_dead = dead.any(|letter| letter.id == message);
        for stay in stays(evidence, sent) {
            if is_dead && stay.holder.is_none() && stay.end.is_none() {
                continue; // SQS moved it away when it was to be received.
            }
            for shift in shifts.iter().filter(|shift| shift.answers_for(&stay)) {
                if let Some(waited) = shift.keeps_waiting(&stay, poisoned.contains(message)) {
                    let (name, since) = (&shift.process.name, evidence.since(stay.since));
                    violations.push(format!(
                        "{name} lets {message} wait for {waited:?} without need, after {since}"
                    ));
                }
            }
        }
    }
}

/// What a process does, and what keeps it from it.
struct Shift<'r> {
    process: &'r Process,
    until: Instant,
    /// When it has a call in flight or a reason to wait.
    excused: Times,
    /// The same, poison among the reasons.
    excused_if_poisoned: Times,
    /// For how long poison may hold a message up.
    poisoned: Duration,
}

impl<'r> Shift<'r> {
    fn of(evidence: &Evidence<'_>, process: &'r Process) -> Self {
        let ended = process.ended.as_ref().map(|ended| ended.at);
        let settled = evidence.record.settled;
        let calls = evidence.record.calls.iter().filter(|call| call.caller == process.name);
        let calls: Vec<_> = calls.collect();
        let work = calls.iter().filter(|call| is_work(evidence, call));
        let work: Vec<_> = work.map(|call| (call.at, over(call))).collect();
        let recovery = |slows: &dyn Fn(&Call) -> bool| -> Vec<_> {
            let slow = calls.iter().filter(|call| slows(call));
            slow.map(|call| (call.at, over(call) + patience(call))).collect()
        };
        let mut passing = recovery(&|call| slows_down(evidence, call));
        let paced = calls.iter().filter_map(|call| {
            let wait = pace(evidence, call)?;
            Some((call.at, over(call) + wait))
        });
        passing.extend(paced);
        let poison = recovery(&|call| evidence.is_struck(call, Nature::Poison));
        Self {
            process,
            until: process.signalled.or(ended).unwrap_or(settled).min(settled),
            poisoned: poisoned(evidence),
            excused: Times::of(work.iter().chain(&passing).copied()),
            excused_if_poisoned: Times::of(work.into_iter().chain(passing).chain(poison)),
        }
    }

    fn answers_for(&self, stay: &Stay<'_>) -> bool {
        stay.holder.is_none_or(|(holder, _)| holder == self.process.name)
    }

    /// For how long a message waits in this process for nothing, if that is too long.
    fn keeps_waiting(&self, stay: &Stay<'_>, poisoned: bool) -> Option<Duration> {
        let from = stay.since.max(self.process.began);
        let to = stay.end.map_or(self.until, |(at, _)| at.min(self.until));
        let excused = if poisoned { &self.excused_if_poisoned } else { &self.excused };
        let waited = excused.left_of(from, to);
        (waited > MOMENT + self.poisoned).then_some(waited)
    }
}

/// For how long poison may hold a message up.
fn poisoned(evidence: &Evidence<'_>) -> Duration {
    let instances = evidence.record.plan.poisoned();
    let messages = evidence.record.diary.about(&instances).len();
    let each = if is_mixed(evidence) { MIXED } else { POISONED };
    each * u32::try_from(instances.len()).unwrap()
        + PROBE * u32::try_from(messages.saturating_sub(instances.len())).unwrap()
}

/// How long the pace may keep the next call of a kind waiting.
fn pace(evidence: &Evidence<'_>, call: &Call) -> Option<Duration> {
    let whole = match call.operation.as_str() {
        "DescribeTags" => NEXT_LOOK,
        // The leave for the stop is taken before its look, which may leave nobody to stop.
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

/// Polls and renewals go on while nothing is done.
fn is_work(evidence: &Evidence<'_>, call: &Call) -> bool {
    let visibility = i64::try_from(evidence.record.plan.visibility.as_secs()).unwrap();
    let renews =
        !call.timeouts.is_empty() && call.timeouts.iter().all(|(_, secs)| *secs == visibility);
    call.operation != "ReceiveMessage" && !renews
}

fn slows_down(evidence: &Evidence<'_>, call: &Call) -> bool {
    let refused = |code: &str| SLOWING.contains(&code);
    evidence.is_struck(call, Nature::Passing)
        || matches!(&call.result, Outcome::Failed { code } if refused(code))
}

/// For how long a failure may slow the daemon down.
fn patience(call: &Call) -> Duration {
    let is_lost = !is_answered(call) && !matches!(call.result, Outcome::Failed { .. });
    if call.operation == "PublishBatch" && is_lost { DOUBT } else { RECOVERY }
}

/// When the caller stopped waiting.
fn over(call: &Call) -> Instant {
    let timeout = match call.operation.as_str() {
        "StopInstances" => Duration::from_mins(1),
        "ReceiveMessage" => Duration::from_secs(30),
        _ => Duration::from_secs(10),
    };
    let gives_up = call.at + timeout;
    match call.result {
        Outcome::Hung => gives_up,
        _ => call.closed.unwrap_or(gives_up).min(gives_up),
    }
}
