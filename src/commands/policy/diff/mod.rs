//! `policy diff`: which starts other policies would stop newly, and which they would spare.

mod change;
mod report;
#[cfg(test)]
mod tests;

use super::cases;
use crate::cli::output;
use crate::cli::policies::DiffArguments;
use crate::commands::ended::Ended;
use crate::commands::judging::now;
use crate::commands::lines::{self, Line};
use crate::commands::loading::Loading;
use crate::domain::policy::stored::Stored;

use change::changed;

use crate::domain::policy::Policies;
pub(in crate::commands) use change::Change;
#[cfg(test)]
pub(in crate::commands) use change::change;

/// Compares two sets of policies.
///
/// # Errors
/// Policies or settings that cannot work, and files that cannot be read.
pub(super) fn run(arguments: &DiffArguments) -> Result<u8, Ended> {
    let DiffArguments { old, new, replay, allow, config } = arguments;
    let files = [cases::policy_files(old)?, cases::policy_files(new)?];
    let loading = match config {
        Some(config) => Loading::of_settings(Some(config), None)?,
        None => {
            Loading::offline(cases::beside(files.iter().flatten().map(AsRef::as_ref))?.vocabulary())
        }
    };
    let [old, new] = files.map(|files| loading.with_files(&files));
    let (old, new) = (old?, new?);
    let lines = lines::of(replay)?;
    let (mut changes, mut unreadable) = (Vec::new(), 0);
    for line in &lines {
        match read(line, [&old, &new]) {
            Ok(None) => {}
            Ok(Some(stored)) => changes.extend(changed(line.number, stored, [&old, &new])),
            Err(wrong) => {
                output::complain(format!("line {}: {wrong}", line.number));
                unreadable += 1;
            }
        }
    }
    output::print(report::text(&changes, lines.len(), unreadable))?;
    let stopped = changes.iter().filter(|changed| changed.change == Change::NewlyStopped).count();
    Ok(u8::from(unreadable > 0 || stopped > *allow))
}

/// Reads a line with facts, which have all that either set of policies reads; `None` for what an
/// earlier replay said beside facts.
fn read(line: &Line, sets: [&Policies; 2]) -> Result<Option<Stored>, String> {
    let json = line.json()?;
    if lines::is_report(&json) {
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
