//! The latencies and delays of the sandbox in the subcommand: those of an AWS without trouble.

use std::time::Duration;

use crate::sandbox::{Options, Sandbox};

/// What is added to the time of each operation, in milliseconds: about what AWS takes, and short
/// enough to watch.
const LATENCIES_MS: [(&str, u64); 7] = [
    ("ChangeMessageVisibilityBatch", 5),
    ("DeleteMessageBatch", 5),
    ("DescribeInstances", 30),
    ("DescribeTags", 20),
    ("PublishBatch", 15),
    ("ReceiveMessage", 5),
    ("StopInstances", 80),
];

/// Lets an instance stay in each state between two others for part of a second.
pub(super) fn options() -> Options {
    Options {
        pending: Duration::from_millis(300),
        stopping: Duration::from_millis(500),
        shutting_down: Duration::from_millis(200),
        ..Options::default()
    }
}

/// Adds the latencies to all calls.
pub(super) fn slow_down(sandbox: &Sandbox) {
    for (operation, delay_ms) in LATENCIES_MS {
        sandbox.latency(operation, Duration::from_millis(delay_ms));
    }
}
