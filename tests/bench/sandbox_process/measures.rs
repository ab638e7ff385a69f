//! Computes the figures of a scene from the sandbox's ledger.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Context;
use ec2_policy_enforcer::sandbox::{Call, Outcome, Sandbox};
use tokio::time::Instant;

use super::load::Event;
use super::mistakes::mistakes;
use super::told::{Told, told};
use crate::evidence::{Evidence, Until};
use crate::percentiles::Spread;

/// The code with which EC2's token buckets refuse a call.
const THROTTLED: &str = "RequestLimitExceeded";

/// How much there was before a scene, in the scenes before it.
#[derive(Debug, Default)]
pub struct Earlier {
    calls: usize,
    pub notices: usize,
}

impl Earlier {
    pub fn until_now(aws: &Sandbox) -> Self {
        Self { calls: aws.ledger().len(), notices: aws.notices().len() }
    }
}

pub fn evidence(
    aws: &Sandbox,
    events: &[Event],
    (earlier, sandbox_cpu): (&Earlier, Duration),
) -> anyhow::Result<Evidence> {
    let ledger = aws.ledger();
    let first_receive = ledger.iter().find(|call| call.operation == "ReceiveMessage");
    let first_receive = first_receive.context("nothing was received")?.at;
    let first_visible = events.first().context("nothing was sent")?.visible;
    let began = first_receive.max(first_visible);
    let ledger = &ledger[earlier.calls..];
    let stopped = effects(ledger, "StopInstances", |call| &call.stopped);
    let deleted = effects(ledger, "DeleteMessage", |call| &call.subjects);
    let called_off = called_off(aws);
    let until = |end: &dyn Fn(&Event) -> Option<Instant>| {
        let since = |event: &Event| Some(end(event)? - event.visible.max(began));
        Spread::of(events.iter().filter_map(since).collect())
    };
    let until = Until {
        stopped: until(&|event| stopped.get(&event.instance).copied()),
        deleted: until(&|event| deleted.get(&event.message).copied()),
        called_off: until(&|event| called_off.get(&event.instance).copied()),
    };
    Ok(Evidence {
        events: events.len(),
        first_receive: aws.clock().wall(first_receive),
        took: deleted.values().max().map_or(Duration::ZERO, |last| *last - began),
        all_stopped_after: stopped.values().max().map_or(Duration::ZERO, |last| *last - began),
        sandbox_cpu,
        calls: calls(ledger),
        throttled: ledger.iter().filter(|call| is_throttled(call)).count(),
        until,
        wrong: mistakes(aws, events, earlier),
    })
}

/// When an operation, as a call or in a batch, first had its effect on each subject.
fn effects(
    ledger: &[Call],
    operation: &str,
    subjects: impl Fn(&Call) -> &[String],
) -> HashMap<String, Instant> {
    let mut effects = HashMap::new();
    for call in ledger.iter().filter(|call| call.operation.starts_with(operation)) {
        let Some(acted) = call.acted else { continue };
        for subject in subjects(call) {
            effects.entry(subject.clone()).or_insert(acted);
        }
    }
    effects
}

/// When SNS accepted the first notice that calls the stop of each instance off.
fn called_off(aws: &Sandbox) -> HashMap<String, Instant> {
    let mut times = HashMap::new();
    for notice in aws.notices() {
        for (instance, _) in told(&notice.message).iter().filter(|(_, it)| *it == Told::CalledOff) {
            times.entry((*instance).to_owned()).or_insert(notice.at);
        }
    }
    times
}

fn calls(ledger: &[Call]) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for call in ledger {
        *calls.entry(call.operation.clone()).or_default() += 1;
    }
    calls
}

fn is_throttled(call: &Call) -> bool {
    matches!(&call.result, Outcome::Failed { code } if code == THROTTLED)
}
