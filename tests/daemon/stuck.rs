//! A program whose work is stuck sends no watchdog pings, so that systemd restarts it.

use std::process::Stdio;

use ec2_policy_enforcer::sandbox::Launch;
use tokio::io::{copy, sink};

use crate::program::serve;
use crate::supervised::Systemd;
use crate::world::TAG;

/// With so many events, the decision lines in the log are longer than the 64 KiB that a pipe holds.
const EVENTS: usize = 400;

/// A log that is not read blocks the program's only thread when the pipe is full, and with it the
/// timer of the watchdog pings.
#[tokio::test]
async fn a_program_that_is_stuck_sends_no_watchdog_ping_until_it_goes_on() {
    let (served, systemd) = (serve().await, Systemd::new("stuck"));
    let mut program = systemd.supervised(&served);
    program.stdout(Stdio::piped());
    let mut child = program.spawn().unwrap();
    systemd.until_line("READY=1").await;
    systemd.until_line("WATCHDOG=1").await;
    for _ in 0..EVENTS {
        served.aws.launch(Launch::default().tagged(TAG, ""));
    }
    systemd.until_no_ping().await;
    assert!(!served.aws.messages().is_empty(), "nothing was stuck");
    let mut log = child.stdout.take().unwrap();
    tokio::spawn(async move { copy(&mut log, &mut sink()).await });
    for _ in 0..3 {
        systemd.until_line("WATCHDOG=1").await;
    }
    served.aws.until("the rest is settled", |aws| aws.depth() == 0).await;
}
