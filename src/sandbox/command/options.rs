//! Delays as of an AWS that is in good health.

use std::time::Duration;

use crate::sandbox::{Options, Sandbox};

/// What each operation takes longer than the loopback interface, in milliseconds: about what
/// AWS takes, short enough to watch.
const LATENCIES_MS: [(&str, u64); 7] = [
    ("ChangeMessageVisibilityBatch", 5),
    ("DeleteMessageBatch", 5),
    ("DescribeInstances", 30),
    ("DescribeTags", 20),
    ("PublishBatch", 15),
    ("ReceiveMessage", 5),
    ("StopInstances", 80),
];

/// Lets instances take a moment from one state to the next.
pub(super) fn options() -> Options {
    Options {
        pending: Duration::from_millis(300),
        stopping: Duration::from_millis(500),
        shutting_down: Duration::from_millis(200),
        ..Options::default()
    }
}

pub(super) fn slow_down(sandbox: &Sandbox) {
    for (operation, delay_ms) in LATENCIES_MS {
        sandbox.latency(operation, Duration::from_millis(delay_ms));
    }
}
