//! The audit trail of a daemon that writes it to a file.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

/// Removes the trail of the run before, which is not to be counted, and returns where the next one
/// goes: to the directory of the log.
pub fn new_trail() -> PathBuf {
    let trail = trail();
    fs::remove_file(&trail).ok();
    trail
}

/// Says what is missing in the trail of a daemon that has ended: each event has an outcome.
pub fn mistake(events: usize) -> anyhow::Result<Option<String>> {
    let text = fs::read_to_string(trail()).context("cannot read the audit trail")?;
    let outcomes = text.lines().filter(|line| line.contains(r#""kind":"outcome""#)).count();
    let missing = events.saturating_sub(outcomes);
    Ok((missing > 0).then(|| format!("{missing} outcomes missing in the audit trail")))
}

fn trail() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-audit.jsonl")
}
