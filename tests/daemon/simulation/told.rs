//! Notices of stops to come, and the calls that hide messages until these stops.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use ec2_policy_enforcer::sandbox::{Call, Details};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::evidence::Evidence;
use super::history::Copy;
use super::policies::BEGAN;
use super::result::{has_effect, is_accepted};

/// The words between the id of an instance and the time of its stop.
const PLANNED: &str = " will be stopped at ";
/// The words between the id of an instance and the reason why it is not stopped any more.
const CALLED_OFF: &str = " will NOT be stopped: ";
/// The first words of notices to operators: of a budget that is used up, of a group that starts
/// anew what is stopped, and of accounts and regions that cannot be called.
const OPERATORS: [&str; 3] =
    ["More instances than ", "Within an hour ", "These calls fail, so that "];
const MINUTE: i64 = 60;
/// How much later than at the time of a stop its message may come: times are cut to whole seconds.
const LATE: i64 = 8;
/// The shortest time for which only the longest one that SQS allows is a reason, in seconds.
const HALF_A_DAY: i64 = 12 * 3_600 - 5 * 60;
/// For how long a change of tags waits at most, in seconds, until other tools have set their tags.
const TAGS_SETTLE: i64 = 304;
/// The longest delay of a retry, jitter included, in seconds.
pub(super) const LONGEST_RETRY: i64 = 18 * 60;

/// A notice that an instance will be stopped, as a process published it.
pub(super) struct Told<'r> {
    pub publish: &'r Call,
    pub id: &'r str,
    /// The time of the stop that it names, in seconds after the begin of the world. It is cut to
    /// whole minutes.
    pub stop: i64,
    /// Whether the process knows that SNS accepted it.
    pub is_accepted: bool,
    /// The launches that it may be about, in seconds after the begin of the world: those that the
    /// process had seen.
    pub launches: BTreeSet<i64>,
}

impl Told<'_> {
    /// When SNS published it.
    pub(super) fn at(&self) -> Instant {
        self.publish.acted.unwrap()
    }
}

/// A notice that a stop of which the owner was told will not take place.
pub(super) struct CalledOff<'r> {
    pub publish: &'r Call,
    pub id: &'r str,
    /// Whether the process knows that SNS accepted it.
    pub is_accepted: bool,
}

impl CalledOff<'_> {
    /// When SNS published it.
    pub(super) fn at(&self) -> Instant {
        self.publish.acted.unwrap()
    }
}

/// What a change of visibility may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hiding {
    /// It hides a message until the stop of its instance, while stops are held, or while its account
    /// cannot be called.
    Sure,
    /// The same, or a retry.
    Maybe,
    No,
}

/// The id of an instance and the time of its stop, in seconds after the begin of the world, in the
/// text of a notice that tells of a stop to come.
pub(super) fn planned(text: &str) -> Option<(&str, i64)> {
    let line = text.lines().next()?;
    let (id, time) = line.strip_prefix("EC2 ")?.split_once(PLANNED)?;
    let time = format!("{}:00Z", time.strip_suffix('Z')?);
    let time = UtcDateTime::parse(&time, &Rfc3339).ok()?;
    let began = UtcDateTime::from(SystemTime::UNIX_EPOCH + BEGAN);
    Some((id, (time - began).whole_seconds()))
}

/// The id of an instance and the reason, with what follows, in the text of a notice that calls a stop
/// off.
pub(super) fn called_off(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("EC2 ")?.split_once(CALLED_OFF)
}

/// Whether a publish is of a notice to operators, which goes out alone.
pub(super) fn is_to_operators(publish: &Call) -> bool {
    publish.operation == "PublishBatch"
        && publish.subjects.iter().any(|text| OPERATORS.iter().any(|begin| text.starts_with(begin)))
}

/// Whether a notice tells what became of an instance in the end.
pub(super) fn is_end(text: &str, id: &str) -> bool {
    let about = text.strip_prefix("EC2 ").and_then(|text| text.strip_prefix(id));
    about.is_some_and(|about| {
        about.starts_with(' ') && planned(text).is_none() && called_off(text).is_none()
    })
}

/// Finds all notices that SNS published which call stops off.
pub(super) fn calls_off<'r>(publishes: &[&'r Call]) -> Vec<CalledOff<'r>> {
    let texts =
        publishes.iter().flat_map(|publish| publish.subjects.iter().map(|one| (*publish, one)));
    let texts = texts.filter(|(publish, text)| has_effect(publish, text));
    let notices = texts.filter_map(|(publish, text)| {
        let (id, _) = called_off(text)?;
        Some(CalledOff { publish, id, is_accepted: is_accepted(publish, text) })
    });
    notices.collect()
}

/// Finds all notices of stops to come that SNS published.
pub(super) fn told<'r>(evidence: &Evidence<'r>) -> Vec<Told<'r>> {
    let publishes = evidence.publishes.iter().copied();
    let texts =
        publishes.flat_map(|publish| publish.subjects.iter().map(move |one| (publish, one)));
    let texts = texts.filter(|(publish, text)| has_effect(publish, text));
    let told = texts.filter_map(|(publish, text)| {
        let (id, stop) = planned(text)?;
        let is_accepted = is_accepted(publish, text);
        let launches = evidence.seen_launches(id, publish);
        Some(Told { publish, id, stop, is_accepted, launches })
    });
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|one| one.publish.effect);
    told
}

impl<'r> Evidence<'r> {
    /// The notices of stops to come of an instance that a process published.
    pub(super) fn told_by(&self, process: &str, id: &str) -> impl Iterator<Item = &Told<'r>> {
        self.told.iter().filter(move |told| told.publish.caller == process && told.id == id)
    }

    /// The notices that call a stop of an instance off which a process published.
    pub(super) fn called_off_by(
        &self,
        process: &str,
        id: &str,
    ) -> impl Iterator<Item = &CalledOff<'r>> {
        let all = self.called_off.iter();
        all.filter(move |one| one.publish.caller == process && one.id == id)
    }

    /// A moment in seconds after the begin of the world.
    pub(super) fn secs(&self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(self.record.began);
        i64::try_from(since.as_secs()).unwrap()
    }

    /// The launches of an instance that the process of a publish had seen: by the last look, and by
    /// those before it from which a notice may have waited.
    fn seen_launches(&self, id: &str, publish: &Call) -> BTreeSet<i64> {
        const WAITED: Duration = Duration::from_mins(70);
        let seen = self.looks_at(id).filter_map(|look| {
            let shown = &look.page(id)?.shown[id];
            let is_known = look.caller() == publish.caller && look.ended() <= publish.at;
            let launched = launched(shown.details.as_deref()?);
            is_known.then(|| (look.ended(), launched))
        });
        let seen: Vec<_> = seen.collect();
        let Some(last) = seen.iter().map(|(at, _)| *at).max() else { return BTreeSet::new() };
        let recent = seen.into_iter().filter(|(at, _)| *at + WAITED >= last);
        recent.map(|(_, launched)| launched).collect()
    }

    /// Whether a call may hide a message until the stop of its instance, of which its process has
    /// told, or for as long as SQS allows, as while stops are held.
    pub(super) fn hiding(&self, call: &Call, message: &str) -> Hiding {
        let (Some(id), Some((_, secs))) =
            (self.instance_of(message), call.timeouts.iter().find(|(one, _)| one == message))
        else {
            return Hiding::No;
        };
        if self.is_of_tags(message) && *secs <= TAGS_SETTLE {
            return Hiding::Maybe;
        }
        if self.is_on_hold(call, message) || self.is_put_off(call, message) {
            return Hiding::Sure;
        }
        let until = self.secs(call.acted.unwrap_or(call.at)) + secs;
        let known = |told: &&Told<'_>| told.is_accepted && told.publish.answered <= Some(call.at);
        let mut told = self.told_by(&call.caller, id).filter(known).peekable();
        let Some(first) = told.peek().map(|told| told.at()) else { return Hiding::No };
        // It may have been held up before SNS accepted it, which puts the stop off.
        let mut stops = told.map(|told| (told.stop, told.stop + 2 * MINUTE));
        let hides = *secs >= HALF_A_DAY
            || stops.any(|stop| is_due(stop, until))
            || self.deadlines(id, &call.caller, (first, call.at)).any(|due| is_due(due, until));
        match hides {
            false => Hiding::No,
            true if *secs > LONGEST_RETRY => Hiding::Sure,
            true => Hiding::Maybe,
        }
    }

    /// The deadlines of an instance by the looks of a process in a span of time, each as the
    /// earliest and the latest second.
    fn deadlines(
        &self,
        id: &'r str,
        process: &str,
        during: (Instant, Instant),
    ) -> impl Iterator<Item = (i64, i64)> {
        let started = self.started(id);
        let judged = self.judged(id, process, during);
        judged.into_iter().flat_map(move |one| {
            let times = started.iter().copied().map(Some).chain([None]);
            let due = times.filter_map(|time| one.deadline(time)).collect::<Vec<_>>();
            due.into_iter().map(|due| (due, due))
        })
    }

    /// The times of the events of an instance, in seconds after the begin of the world.
    pub(super) fn started(&self, id: &str) -> Vec<i64> {
        let copies =
            self.all_copies().filter(|(_, copy, instance)| instance.id == id && copy.is_dated);
        let since = |copy: &Copy| {
            let sent = copy.since.saturating_duration_since(self.record.began).as_millis();
            let millis =
                i64::try_from(sent).unwrap() - i64::try_from(copy.age.as_millis()).unwrap();
            millis.div_euclid(1_000)
        };
        copies.map(|(_, copy, _)| since(copy)).collect()
    }

    /// Whether a message is about a change of tags.
    fn is_of_tags(&self, message: &str) -> bool {
        self.all_copies().any(|(sent, copy, _)| sent.message == message && copy.is_of_tags)
    }

    /// The instance that a message is about.
    pub(super) fn instance_of(&self, message: &str) -> Option<&'r str> {
        self.instances.get(message).copied()
    }
}

/// When an instance was launched, in seconds after the begin of the world. EC2 shows whole
/// seconds.
pub(super) fn launched(details: &Details) -> i64 {
    let at = UtcDateTime::from(details.launched).unix_timestamp();
    at - i64::try_from(BEGAN.as_secs()).unwrap()
}

fn is_due((earliest, latest): (i64, i64), until: i64) -> bool {
    (earliest - LATE..=latest + LATE).contains(&until)
}
