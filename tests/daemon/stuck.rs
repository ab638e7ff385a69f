//! A program whose work is stuck sends no watchdog pings, so that systemd restarts it.

use std::fs;
use std::process::Command;

use crate::program::{serve, signal};
use crate::supervised::Systemd;

/// A settings file that never ends, as on a file server that hangs, blocks the thread that reads it
/// again and, with it, the timer of the watchdog pings.
#[tokio::test]
async fn a_program_that_is_stuck_sends_no_watchdog_ping_until_it_goes_on() {
    let (served, systemd) = (serve().await, Systemd::new("stuck"));
    let file = std::env::temp_dir().join(format!("stuck-{}.toml", std::process::id()));
    fs::write(&file, "").unwrap();
    let mut child = systemd.supervised(&served).arg("--config").arg(&file).spawn().unwrap();
    systemd.until_line("READY=1").await;
    systemd.until_line("WATCHDOG=1").await;
    fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    signal(&child, "HUP");
    systemd.until_no_ping().await;
    fs::write(&file, "").unwrap();
    for _ in 0..3 {
        systemd.until_line("WATCHDOG=1").await;
    }
    fs::remove_file(&file).unwrap();
    child.kill().await.unwrap();
}
