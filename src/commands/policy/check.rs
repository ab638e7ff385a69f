//! `policy check`: loads policies as the daemon would, and lists them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use time::{Time, UtcDateTime};

use super::lint;
use crate::cli::output;
use crate::cli::policies::PolicyCheckArguments;
use crate::cli::table::Table;
use crate::commands::ended::Ended;
use crate::commands::loading::Loading;
use crate::domain::policy::Policies;
use crate::domain::policy::rule::{Rule, span};
use crate::domain::policy::stored::attributes::rfc3339;

/// Checks policies, prints them, and warns of tag keys that nothing else knows.
///
/// # Errors
/// Policies or settings that cannot work, and a file that cannot be read.
pub(super) fn run(arguments: &PolicyCheckArguments) -> Result<u8, Ended> {
    let PolicyCheckArguments { files, config, account, replay } = arguments;
    let loading = Loading::of_settings(config.as_deref(), account.as_ref())?;
    let policies = if files.is_empty() { loading.policies()? } else { loading.of_files(files)? };
    output::print(table(&policies))?;
    let warnings = lint::warnings(&policies, &folders(&policies), replay.as_deref())?;
    warnings.iter().for_each(output::complain);
    Ok(0)
}

/// A row for each policy.
fn table(policies: &Policies) -> String {
    let mut table = Table::headed(["ID", "MODE", "GRACE", "SINCE", "WHERE"]);
    for rule in policies.rules() {
        let Rule { id, mode, grace, place, .. } = &**rule;
        let [period, since] = match grace {
            Some(grace) => [span(grace.period), day(grace.since)],
            None => ["-".to_owned(), "-".to_owned()],
        };
        let place = if rule.is_builtin() { "built in" } else { place };
        table.add([id, mode.as_str(), &period, &since, place]);
    }
    table.to_string()
}

/// A day, or a time where it is not the beginning of a day.
fn day(time: UtcDateTime) -> String {
    if time.time() == Time::MIDNIGHT { time.date().to_string() } else { rfc3339(time) }
}

/// The folders that the policies stand in.
fn folders(policies: &Policies) -> BTreeSet<PathBuf> {
    let files = policies.rules().filter_map(|rule| {
        // A place is `FILE:LINE:COLUMN`.
        let file = rule.place.rsplitn(3, ':').nth(2)?;
        Some(Path::new(file))
    });
    let folder = |file: &Path| match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("."),
    };
    files.filter(|file| file.is_file()).map(folder).collect()
}
