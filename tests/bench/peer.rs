//! The peer: a plain boto3 loop in Python that fulfils the same contract as the daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use crate::say;

/// Makes a Python environment with boto3, once per user. Without one the peers are left out.
pub fn python() -> anyhow::Result<Option<PathBuf>> {
    let made = Command::new("tests/venv").arg("tests/bench/peers/requirements.txt").output();
    let made = made.ok().filter(|made| made.status.success());
    let path = made.and_then(|made| String::from_utf8(made.stdout).ok());
    if path.is_none() {
        say("The boto3 loops are left out: python3 with venv and boto3 cannot be had.\n")?;
    }
    Ok(path.map(|path| Path::new(path.trim()).join("bin/python")))
}

pub fn command(python: &Path, threads: usize) -> Command {
    let mut command = Command::new(python);
    command.arg("tests/bench/peers/contract.py");
    command.args(["--threads", &threads.to_string()]);
    command
}

/// Reads the CPU seconds that the loop prints before it begins.
pub fn cpu_before_work(log: &Path) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(log).context("cannot read what the loop printed")?;
    let secs = text.lines().next().and_then(|line| line.parse().ok());
    secs.map(Duration::from_secs_f64).context("the loop printed no CPU seconds")
}
