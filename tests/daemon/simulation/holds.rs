//! Which holds of stops each process knows, worked out from its calls about the queue's tags, and
//! which messages it hides because of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Visibility};
use tokio::time::Instant;

use super::drive::Record;
use super::evidence::Evidence;
use super::policies::ACCOUNT;
use super::result::{has_effect, is_answered};
use super::told::LONGEST_RETRY;

/// For how long a reading may be without a tag that was set before.
const SHOWN_LATE: Duration = Duration::from_mins(1);
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];
/// What the hold of all stops is called here. The others are called by their regions.
const ALL: &str = "all";

/// Which holds a process knows at which times.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// The holds from each moment on. None is known before the first.
    known: Vec<(Instant, BTreeSet<&'static str>)>,
    /// When the process began holds, because its budget was used up.
    pub trips: Vec<(Instant, &'static str)>,
}

/// How a process knows of a hold.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// It read the tag.
    Read,
    /// It set the tag, at this time.
    Set(Instant),
    /// It did not set the tag yet.
    Unset,
}

/// What a process learned.
enum Lesson {
    Read { since: Instant, shown: BTreeSet<&'static str> },
    Sets(&'static str),
    Set(&'static str),
}

/// Whether the key of a tag holds stops.
pub(super) fn is_hold(key: &str) -> bool {
    target(key).is_some()
}

/// What the key of a tag holds: all, or the stops in a region.
pub(super) fn target(key: &str) -> Option<&'static str> {
    let place = key.strip_prefix("hold/")?;
    let of_region = |region: &&&str| place == format!("{ACCOUNT}/{region}");
    Some(REGIONS.iter().find(of_region).copied().unwrap_or(ALL))
}

/// Whether a hold of `target` binds in a region.
pub(super) fn binds(target: &str, region: &str) -> bool {
    target == ALL || target == region
}

impl Holds {
    /// The holds that each process knew.
    pub(super) fn of(record: &Record) -> BTreeMap<&str, Self> {
        let processes = record.history.processes.iter();
        processes.map(|one| (one.name.as_str(), Self::of_process(record, &one.name))).collect()
    }

    fn of_process(record: &Record, name: &str) -> Self {
        let calls = record.calls.iter().filter(|call| call.caller == name);
        let mut lessons: Vec<_> = calls.flat_map(lessons).collect();
        lessons.sort_by_key(|(at, number, _)| (*at, *number));
        let (mut holds, mut sources) = (Self::default(), BTreeMap::new());
        for (at, _, lesson) in lessons {
            match lesson {
                Lesson::Sets(target) if !sources.contains_key(target) => {
                    sources.insert(target, Source::Unset);
                    holds.trips.push((at, target));
                }
                Lesson::Sets(_) => {}
                Lesson::Set(target) => {
                    let source = sources.entry(target).or_insert(Source::Unset);
                    if matches!(source, Source::Unset) {
                        *source = Source::Set(at);
                    }
                }
                Lesson::Read { since, shown } => {
                    sources.retain(|target, source| match source {
                        _ if shown.contains(target) => true,
                        Source::Read => false,
                        Source::Set(set) => since < *set + SHOWN_LATE,
                        Source::Unset => true,
                    });
                    sources.extend(shown.into_iter().map(|target| (target, Source::Read)));
                }
            }
            holds.note(at, sources.keys().copied().collect());
        }
        holds
    }

    fn note(&mut self, at: Instant, known: BTreeSet<&'static str>) {
        if self.known.last().map_or(!known.is_empty(), |(_, last)| *last != known) {
            self.known.push((at, known));
        }
    }

    /// Whether stops in a region are held as far as the process knows, and were just before.
    pub(super) fn surely_hold(&self, region: &str, at: Instant) -> bool {
        let before = self.known.iter().rev().find(|(since, _)| *since < at);
        let mut now = self.known.iter().filter(|(since, _)| *since == at);
        before.is_some_and(|(_, known)| bind(known, region))
            && now.all(|(_, known)| bind(known, region))
    }

    /// Whether the process knows at any time between two moments that stops in a region are held.
    pub(super) fn may_hold(&self, region: &str, (from, to): (Instant, Instant)) -> bool {
        let before = self.known.iter().rev().find(|(since, _)| *since < from);
        let within = self.known.iter().filter(|(since, _)| from <= *since && *since <= to);
        before.into_iter().chain(within).any(|(_, known)| bind(known, region))
    }

    /// When holds ended, as the process learned, so that a new window began in a region.
    pub(super) fn ends(&self, region: &str) -> Vec<Instant> {
        let mut ends = Vec::new();
        for pair in self.known.windows(2) {
            if bind(&pair[0].1, region) && !bind(&pair[1].1, region) {
                ends.push(pair[1].0);
            }
        }
        ends
    }

    /// The first moment from this one on at which the process knows of no hold in a region.
    pub(super) fn free_from(&self, region: &str, at: Instant) -> Option<Instant> {
        let before = self.known.iter().rev().find(|(since, _)| *since <= at);
        if before.is_none_or(|(_, known)| !bind(known, region)) {
            return Some(at);
        }
        self.ends(region).into_iter().find(|end| *end > at)
    }
}

fn bind(known: &BTreeSet<&'static str>, region: &str) -> bool {
    known.iter().any(|target| binds(target, region))
}

/// What a call teaches its process about holds, each with its time and the call's number.
fn lessons(call: &Call) -> Vec<(Instant, usize, Lesson)> {
    let holds = || call.subjects.iter().filter_map(|key| target(key));
    let (at, number) = (call.at, call.number);
    let answered = call.answered.filter(|_| is_answered(call));
    match call.operation.as_str() {
        "ListQueueTags" => answered
            .map(|answered| {
                (answered, number, Lesson::Read { since: at, shown: holds().collect() })
            })
            .into_iter()
            .collect(),
        "TagQueue" => holds()
            .flat_map(|target| {
                let set = answered.map(|answered| (answered, number, Lesson::Set(target)));
                [(at, number, Lesson::Sets(target))].into_iter().chain(set)
            })
            .collect(),
        _ => Vec::new(),
    }
}

impl Evidence<'_> {
    /// Whether a call hides a message because stops are held.
    pub(super) fn is_on_hold(&self, call: &Call, message: &str) -> bool {
        let Some(region) = self.region_of(message) else { return false };
        let (Some(holds), Some(received)) =
            (self.holds.get(&*call.caller), self.received(message, &call.caller))
        else {
            return false;
        };
        self.record.plan.budget.is_some()
            && hides_for_long(call, message)
            && holds.may_hold(region, (received, call.at))
    }

    /// Whether a call makes a message visible that its process had hidden because stops were held.
    pub(super) fn is_release(&self, call: &Call, message: &str) -> bool {
        let calls = self.by_message.get(message).into_iter().flatten();
        let mut before =
            calls.filter(|one| one.effect < call.effect && has_effect(one, message)).rev();
        call.timeouts.iter().any(|(id, secs)| id == message && *secs == 0)
            && before
                .next()
                .is_some_and(|last| last.caller == call.caller && self.is_on_hold(last, message))
    }

    /// Whether a message is left in the queue, hidden because stops were held, by a process that has
    /// ended.
    pub(super) fn is_stranded(&self, message: &str) -> bool {
        let waits = self.record.plan.budget.is_none_or(|budget| budget.waits_for_all);
        let mut left = self.record.messages.iter().filter(|one| one.id == message);
        let hidden = left.any(
            |one| matches!(one.visibility, Visibility::Held { until } if until > self.record.settled),
        );
        let mut calls = self.by_message.get(message).into_iter().flatten();
        let last = calls.rfind(|call| has_effect(call, message));
        !waits
            && hidden
            && last.is_some_and(|last| {
                let process = self.process(&last.caller);
                let ended = process.signalled.or(process.ended.as_ref().map(|ended| ended.at));
                self.is_on_hold(last, message)
                    && ended.is_some_and(|ended| ended < self.record.settled)
            })
    }

    pub(super) fn region_of(&self, message: &str) -> Option<&'static str> {
        let id = self.instance_of(message)?;
        self.record.plan.instances.iter().find(|one| one.id == id).map(|one| one.region)
    }
}

/// Whether a call hides a message for longer than any retry.
fn hides_for_long(call: &Call, message: &str) -> bool {
    call.timeouts.iter().any(|(id, secs)| id == message && *secs > LONGEST_RETRY)
}
