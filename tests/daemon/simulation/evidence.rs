//! The record of a world, with its calls indexed for the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Service};
use tokio::time::Instant;

use super::drive::Record;
use super::history::{Copy, Nature, Process, Sent, What};
use super::holds::Holds;
use super::look::{Look, looks};
use super::members::Target;
use super::outages::Outages;
use super::plan::{Change, Instance};
use super::result::is_answered;
use super::told::{self, CalledOff, Told};

/// How old an event must be before what EC2 shows of its instance is taken for up to date.
pub(super) const CONSISTENCY: Duration = Duration::from_mins(5);
/// The times of events, and the dates of answers, are in whole seconds.
pub(super) const PRECISION: Duration = Duration::from_secs(1);

pub(super) struct Evidence<'r> {
    pub record: &'r Record,
    /// Calls to EC2 by the instances that they name, in order of arrival.
    pub by_instance: BTreeMap<&'r str, Vec<&'r Call>>,
    /// Calls to SQS by the messages that they name or receive, in the order of their effects.
    pub by_message: BTreeMap<&'r str, Vec<&'r Call>>,
    pub looks: BTreeMap<&'r str, Vec<Look<'r>>>,
    /// Looks at tags, by `DescribeTags`.
    pub tag_looks: BTreeMap<&'r str, Vec<Look<'r>>>,
    /// Those of notices to owners.
    pub publishes: Vec<&'r Call>,
    /// Notices of stops to come, in the order of their publication.
    pub told: Vec<Told<'r>>,
    /// Notices that such stops will not take place.
    pub called_off: Vec<CalledOff<'r>>,
    /// Which holds of stops each process knew.
    pub holds: BTreeMap<&'r str, Holds>,
    /// When calls to EC2 failed.
    pub outages: Outages,
    /// The ids of the instances that messages are about.
    pub instances: BTreeMap<&'r str, &'r str>,
}

impl<'r> Evidence<'r> {
    pub(super) fn of(record: &'r Record) -> Self {
        let mut by_instance: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut by_message: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for call in &record.calls {
            let index = match call.service {
                Service::Ec2 => &mut by_instance,
                Service::Sqs => &mut by_message,
                _ => continue,
            };
            for subject in &call.subjects {
                index.entry(subject.as_str()).or_default().push(call);
            }
        }
        for calls in by_message.values_mut() {
            calls.sort_by_key(|call| (call.effect.is_none(), call.effect));
        }
        let publishes = of(&record.calls, "PublishBatch");
        let publishes: Vec<_> = publishes.filter(|call| !told::is_to_operators(call)).collect();
        let [looks, tag_looks] =
            ["DescribeInstances", "DescribeTags"].map(|operation| looks(&record.calls, operation));
        let (told, instances) = (Vec::new(), BTreeMap::new());
        let mut evidence = Self {
            record,
            by_instance,
            by_message,
            looks,
            tag_looks,
            called_off: told::calls_off(&publishes),
            publishes,
            told,
            holds: Holds::of(record),
            outages: Outages::of_all(record),
            instances,
        };
        let about =
            evidence.all_copies().map(|(sent, _, one)| (sent.message.as_str(), one.id.as_str()));
        evidence.instances = about.collect();
        evidence.told = told::told(&evidence);
        evidence
    }

    pub(super) fn calls(&self, operation: &'static str) -> impl Iterator<Item = &'r Call> {
        of(&self.record.calls, operation)
    }

    /// Lists the messages of valid events of starts.
    pub(super) fn copies(&self) -> impl Iterator<Item = (&'r Sent, &'r Copy, &'r Instance)> {
        self.all_copies().filter(|(_, copy, _)| !copy.is_of_tags)
    }

    /// Lists the messages of valid events, those of changes of tags included.
    pub(super) fn all_copies(&self) -> impl Iterator<Item = (&'r Sent, &'r Copy, &'r Instance)> {
        let record = self.record;
        record.history.sent.iter().filter_map(|sent| {
            let What::Event(copy) = &sent.what else { return None };
            Some((sent, copy, &record.plan.instances[copy.instance]))
        })
    }

    /// The accounts and regions in which calls were made.
    pub(super) fn targets(&self) -> BTreeSet<Target<'r>> {
        let calls = self.record.calls.iter();
        calls.map(|call| (call.account.as_str(), call.region.as_str())).collect()
    }

    pub(super) fn process(&self, name: &str) -> &'r Process {
        self.record.history.processes.iter().find(|process| process.name == name).unwrap()
    }

    pub(super) fn looks_at(&self, id: &str) -> impl Iterator<Item = &Look<'r>> {
        self.looks.get(id).into_iter().flatten()
    }

    /// Whether a fault of this nature struck a call.
    pub(super) fn is_struck(&self, call: &Call, nature: Nature) -> bool {
        let mut faults = self.record.history.faults.iter();
        faults.any(|(fault, one)| *one == nature && call.struck.contains(fault))
    }

    /// When a process got the answer by which it first received a message.
    pub(super) fn received(&self, message: &str, process: &str) -> Option<Instant> {
        let calls = self.by_message.get(message)?.iter();
        let mut receives = calls.filter(|call| {
            call.operation == "ReceiveMessage" && call.caller == process && is_answered(call)
        });
        receives.next()?.answered
    }

    /// Whether the process knew an event of the instance that was at least five minutes old.
    pub(super) fn is_late(&self, id: &str, process: &str, at: Instant) -> bool {
        self.ages(id, process, at).any(|age| age + PRECISION >= CONSISTENCY)
    }

    /// Whether the process knew an event of the instance that was under five minutes old.
    pub(super) fn is_recent(&self, id: &str, process: &str, at: Instant) -> bool {
        self.ages(id, process, at).any(|age| age < CONSISTENCY + PRECISION)
    }

    /// How old those events of the instance were whose messages the process had received.
    fn ages(&self, id: &str, process: &str, at: Instant) -> impl Iterator<Item = Duration> {
        let copies = self.all_copies().filter(move |(_, _, instance)| instance.id == id);
        copies.filter_map(move |(sent, copy, _)| {
            let is_known = self.received(&sent.message, process)? <= at;
            is_known.then(|| copy.age_at(at))
        })
    }

    /// Whether an instance had the exception tag. None if that changed at this very moment.
    pub(super) fn is_tagged(&self, number: usize, at: Instant) -> Option<bool> {
        let mut tagged = self.record.plan.instances[number].exempt;
        let changes = self.record.history.changes.iter().filter(|one| one.instance == number);
        for changed in changes.skip_while(|one| one.change != Change::Launch) {
            let now = match changed.change {
                Change::Tag => true,
                Change::Untag => false,
                _ => continue,
            };
            if changed.at == at && now != tagged {
                return None;
            }
            if changed.at < at {
                tagged = now;
            }
        }
        Some(tagged)
    }

    /// Writes a time since the start of the world, for a violation.
    pub(super) fn since(&self, at: Instant) -> String {
        let time = at.saturating_duration_since(self.record.began);
        format!("{:.3} s", time.as_secs_f64())
    }
}

/// The calls of one operation, in order of arrival.
pub(super) fn of<'r>(calls: &'r [Call], operation: &'static str) -> impl Iterator<Item = &'r Call> {
    calls.iter().filter(move |call| call.operation == operation)
}
