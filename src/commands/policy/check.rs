//! `policy check`: loads policies as the daemon would, and lists them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use time::{Time, UtcDateTime};

use super::cases::{self, Cases};
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
    let mut loading = Loading::of_settings(config.as_deref(), account.as_ref())?;
    let policies = if files.is_empty() {
        loading.policies()?
    } else {
        let files = files.iter().map(|path| cases::policy_files(path));
        let files: Vec<_> = files.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let cases = cases::beside(files.iter().map(AsRef::as_ref))?;
        if config.is_some() {
            loading.of_files(&files)?
        } else {
            loading.know(cases.vocabulary());
            loading.of_files(&files).or_else(|refused| follows(&cases, refused))?
        }
    };
    output::print(table(&policies))?;
    let files = files_of(&policies);
    let cases = cases::beside(files.iter().map(AsRef::as_ref))?;
    let warnings = lint::warnings(&policies, cases, replay.as_deref())?;
    warnings.iter().for_each(output::complain);
    Ok(0)
}

/// Tells of mistakes in cases in place of what may follow from them.
fn follows(cases: &Cases, refused: Ended) -> Result<Policies, Ended> {
    cases.sound()?;
    cases.warnings().for_each(output::complain);
    Err(refused)
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

/// The files that the policies stand in.
fn files_of(policies: &Policies) -> BTreeSet<PathBuf> {
    // A place is `FILE:LINE:COLUMN`; one that is no file is a setting.
    let files = policies.rules().filter_map(|rule| rule.place.rsplitn(3, ':').nth(2));
    files.map(PathBuf::from).filter(|file| file.is_file()).collect()
}
