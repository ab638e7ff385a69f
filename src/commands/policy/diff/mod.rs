//! `policy diff`: which starts other policies would stop newly, and which they would spare.

mod change;
mod report;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::anyhow;

use super::cases;
use crate::cli::output;
use crate::cli::policies::DiffArguments;
use crate::commands::ended::Ended;
use crate::commands::judging::now;
use crate::commands::lines::{self, BATCH, Line, Lines};
use crate::commands::loading::Loading;
use crate::domain::policy::Policies;
use crate::domain::policy::stored::Stored;

use change::{Compared, compared};
use report::Report;

#[cfg(test)]
pub(in crate::commands) use change::{Change, change};

/// Compares two sets of policies.
///
/// # Errors
/// Policies or settings that cannot work, files that cannot be read, and recorded starts of which
/// none can be decided.
pub(super) fn run(arguments: &DiffArguments) -> Result<u8, Ended> {
    let DiffArguments { old, new, replay, allow, config } = arguments;
    let old = load(old, config.as_deref())?;
    let new = load(new, config.as_deref())?;
    let mut lines = Lines::open(replay)?;
    let mut report = Report::new();
    loop {
        let batch = lines.batch()?;
        for line in &batch {
            if let Err(wrong) = report.add(compare(line, [&old, &new])) {
                output::complain(format!("line {}: {wrong}", line.number));
            }
        }
        output::print(report.starts())?;
        if batch.len() < BATCH {
            break;
        }
    }
    output::print(report.end())?;
    if report.decided == 0 {
        let wrong = "no line can be decided, so that nothing is compared; record starts of instances that run";
        return Err(anyhow!("{}: {wrong}", replay.display()).into());
    }
    Ok(u8::from(report.undecided > 0 || report.stopped() > *allow))
}

/// Loads the policies of a folder or a file. Without settings they may name the units and regions of
/// the cases beside them, and not those of the other side.
fn load(path: &Path, config: Option<&Path>) -> Result<Policies, Ended> {
    let files = cases::policy_files(path)?;
    if let Some(config) = config {
        return Loading::of_settings(Some(config), None)?.with_files(&files);
    }
    let cases = cases::beside(files.iter().map(AsRef::as_ref))?;
    cases.warnings().for_each(output::complain);
    cases.sound()?;
    Loading::offline(cases.vocabulary()).with_files(&files)
}

/// Compares what becomes of a line; `None` for what an earlier replay said beside facts.
fn compare(line: &Line, sets: [&Policies; 2]) -> Result<Option<Compared>, String> {
    let Some(stored) = read(line, sets)? else { return Ok(None) };
    compared(line.number, stored, sets).map(Some)
}

/// Reads a line with facts, which have all that either set of policies reads; `None` for what an
/// earlier replay said beside facts.
fn read(line: &Line, sets: [&Policies; 2]) -> Result<Option<Stored>, String> {
    let json = line.json()?;
    if lines::is_report(&json) || lines::is_summary(&json) {
        return Ok(None);
    }
    if !Stored::is_meant(&json) {
        return Err("has no facts; replay --json looks up those of events".to_owned());
    }
    let stored = Stored::read(&json, now()).map_err(|wrong| wrong.to_string())?;
    for policies in sets {
        stored.has_all_of(policies.reads()).map_err(|wrong| wrong.to_string())?;
    }
    Ok(Some(stored))
}
