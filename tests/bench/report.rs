//! The tables and the legend that are printed at the end.

use std::fmt::Display;
use std::time::Duration;

use ec2_policy_enforcer::cli::table::Table;

use crate::figures::{mib, ms, number, short};
use crate::percentiles::Spread;
use crate::targets;
use crate::trial::Measurement;

const LEGEND: &str = "\
EVENTS/S: from the first ReceiveMessage, or the first event if it comes later, to the last deletion.
CPU: all threads until then; the daemon's with its start and its log to a file, the loops' without
their imports. START: to the first ReceiveMessage. CALLS: all AWS calls. TO STOP, TO DELETE:
p50/p95/p99 from visible, or for what waited from the first ReceiveMessage.
CALLED OFF: p50/p99/max from the tag to SNS's acceptance of the notice. In this case an event is a
change of tags, and the planning of its stop is counted with it.
boto3: receives of ten, then one message at a time: DescribeTags, StopInstances, Publish and
DeleteMessage. It gets fewer events than the daemon; ratios are of figures per event.
SANDBOX CPU: what AWS's stand-in took beside it, on the same cores.
";
const HEAD: [&str; 14] = [
    "CASE",
    "CONTENDER",
    "EVENTS",
    "EVENTS/S",
    "CPU s",
    "CPU ms/EVENT",
    "PEAK RSS MiB",
    "START ms",
    "CALLS/EVENT",
    "THROTTLED",
    "TO STOP ms",
    "TO DELETE ms",
    "CALLED OFF ms",
    "SANDBOX CPU s",
];
/// The beginnings of operations' names, so that `DeleteMessage` stands for its batch too.
const OPERATIONS: [&str; 8] = [
    "ReceiveMessage",
    "DescribeTags",
    "DescribeInstances",
    "StopInstances",
    "Publish",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "AssumeRole",
];

pub fn report(measured: &[Measurement]) -> String {
    let parts: [&dyn Display; 4] =
        [&figures(measured), &LEGEND, &calls(measured), &targets::judged(measured)];
    parts.map(|part| format!("\n{part}")).concat()
}

fn figures(measured: &[Measurement]) -> Table {
    let mut columns = Table::headed(HEAD);
    for one in measured {
        columns.add([
            &format!("{:?}", one.name).to_lowercase(),
            &one.contender.to_string(),
            &one.evidence.events.to_string(),
            &short(one.events_per_sec()),
            &short(one.cpu.as_secs_f64()),
            &short(one.cpu_ms_per_event()),
            &short(mib(one.peak_rss_kib)),
            &short(ms(one.start)),
            &short(one.calls_per_event()),
            &one.evidence.throttled.to_string(),
            &spread(&one.evidence.until.stopped),
            &spread(&one.evidence.until.deleted),
            &called_off(&one.evidence.until.called_off),
            &short(one.evidence.sandbox_cpu.as_secs_f64()),
        ]);
    }
    columns
}

/// Three percentiles; an empty text, where nothing was measured.
pub fn spread(spread: &Spread) -> String {
    joined(spread, [spread.p50, spread.p95, spread.p99])
}

/// Two percentiles and the longest time; an empty text, where nothing was measured.
pub fn called_off(spread: &Spread) -> String {
    joined(spread, [spread.p50, spread.p99, spread.max])
}

fn joined(spread: &Spread, figures: [Duration; 3]) -> String {
    if spread.is_empty() { String::new() } else { figures.map(|one| short(ms(one))).join("/") }
}

fn calls(measured: &[Measurement]) -> Table {
    let [receive, tags, instances, stop, publish, delete, change, assume] = OPERATIONS;
    let head =
        ["CALLS BY", receive, tags, instances, stop, publish, delete, change, assume, "OTHERS"];
    let mut columns = Table::headed(head);
    for one in measured {
        let case = format!("{:?} of {}", one.name, one.evidence.events).to_lowercase();
        let trial = format!("{case}, {}", one.contender);
        let [receive, tags, instances, stop, publish, delete, change, assume] =
            OPERATIONS.map(|operation| per_event(one, |name| name.starts_with(operation)));
        let others = per_event(one, |name| !OPERATIONS.iter().any(|one| name.starts_with(one)));
        columns.add([
            &trial, &receive, &tags, &instances, &stop, &publish, &delete, &change, &assume,
            &others,
        ]);
    }
    columns
}

fn per_event(one: &Measurement, wanted: impl Fn(&str) -> bool) -> String {
    let calls = one.evidence.calls.iter().filter(|(name, _)| wanted(name));
    format!("{:.4}", number(calls.map(|(_, count)| count).sum()) / number(one.evidence.events))
}
