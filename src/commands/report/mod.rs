//! `report`: which instances run in all accounts and regions, which of them are exempt, and which
//! violate a policy. Nothing is stopped, and nobody is told.
//!
//! - here: the command;
//! - `survey`: reads the instances of an account and region;
//! - `standing`: how an instance stands with the policies;
//! - `text`, `csv`, `json`: the forms of the report.

mod csv;
mod json;
mod standing;
mod survey;
mod text;

use anyhow::anyhow;
use futures_util::StreamExt;
use futures_util::stream;

use super::ended::Ended;
use super::live::Live;
use crate::cli::console::Console;
use crate::cli::report::{Form, ReportArguments};
use crate::domain::ids::Account;
use crate::domain::members::Members;
use crate::domain::target::TargetKey;
use crate::settings::Settings;

use standing::Standing;
use survey::Survey;

/// How many accounts and regions are read at a time: each has rate limits of its own.
const AT_ONCE: usize = 20;

/// What was found in an account and region.
#[derive(Debug)]
struct Found {
    target: TargetKey,
    /// How each running instance stands, in the order of their ids; or why they could not be read.
    instances: Result<Vec<Standing>, String>,
}

/// Reads the running instances of all accounts and regions, and prints how they stand. The exit code
/// is 1 where an account or region could not be read.
///
/// # Errors
/// Policies or settings that cannot work, credentials that AWS refuses, and an output that cannot be
/// written.
pub async fn run(arguments: &ReportArguments) -> Result<u8, Ended> {
    let settings = Settings::load(arguments.config.as_deref())?;
    let live = Live::connect(&settings).await?;
    let targets = targets(&live, &arguments.accounts)?;
    let survey = Survey::new(&live, &settings);
    let found = read(&survey, targets, &mut Console::of_process(false)).await;
    let is_whole = found.iter().all(|found| found.instances.is_ok());
    let report = match arguments.form() {
        Form::Text => text::report(&found),
        Form::Csv => csv::report(&found),
        Form::Json => json::report(&found)?,
    };
    crate::cli::output::print(report)?;
    for Found { target, instances } in &found {
        if let Err(error) = instances {
            crate::cli::output::complain(format!("{target} cannot be read: {error}"));
        }
    }
    Ok(u8::from(!is_whole))
}

/// The accounts and regions to report on: the accounts that were named, or else the own one and those
/// that the settings list.
///
/// # Errors
/// Where every account counts, and none was named.
fn targets(live: &Live, named: &[Account]) -> anyhow::Result<Vec<TargetKey>> {
    let scope = &live.scope;
    let accounts: Vec<_> = match (named, &scope.members) {
        ([], Members::Any) => {
            return Err(anyhow!(
                "accounts.ids is \"any\", so that the accounts are not known; name them with \
                 --account"
            ));
        }
        ([], Members::Listed(members)) => [&scope.account].into_iter().chain(members).collect(),
        (named, _) => named.iter().collect(),
    };
    let in_regions = |account: &Account| {
        let account = account.clone();
        scope
            .regions
            .iter()
            .map(move |region| TargetKey { account: account.clone(), region: region.clone() })
    };
    Ok(accounts.into_iter().flat_map(in_regions).collect())
}

/// Reads accounts and regions, several at a time, and shows how far it is.
async fn read(survey: &Survey<'_>, targets: Vec<TargetKey>, console: &mut Console) -> Vec<Found> {
    let (all, mut done, mut instances) = (targets.len(), 0, 0);
    let reads = targets.into_iter().map(|target| async move {
        let instances = survey.read(&target).await;
        Found { target, instances }
    });
    let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
    let mut found = Vec::new();
    while let Some(next) = reads.next().await {
        done += 1;
        instances += next.instances.as_ref().map_or(0, Vec::len);
        console
            .progress(&format!("{done} of {all} accounts and regions read, {instances} instances"));
        found.push(next);
    }
    console.progress("");
    found.sort_by(|one, other| one.target.cmp(&other.target));
    found
}
