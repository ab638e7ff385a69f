//! `policy test`: decides the cases in a folder, and compares with what they expect.

mod junit;
mod result;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, anyhow};

use super::cases::{self, Case, Cases};
use crate::cli::output;
use crate::cli::policies::TestArguments;
use crate::commands::ended::Ended;
use crate::commands::judging::judge;
use crate::commands::loading::Loading;
use crate::domain::policy::Policies;

use result::TestResult;

/// Runs the cases of a folder.
///
/// # Errors
/// Policies or settings that cannot work, a folder that cannot be read or has no case, and a file
/// that cannot be written.
pub(super) fn run(arguments: &TestArguments) -> Result<u8, Ended> {
    let TestArguments { folder, config, junit, require } = arguments;
    let mut cases = cases::folder(folder)?;
    let files = cases::policy_files(folder)?;
    cases.mistakes.append(&mut cases.strangers);
    cases.sound()?;
    if cases.list.is_empty() {
        return Err(anyhow!("there is no case in {}; write *.toml files", folder.display()).into());
    }
    let loading = match config {
        Some(config) => Loading::of_settings(Some(config), None)?,
        None => Loading::offline(cases.vocabulary()),
    };
    let policies = loading.of_files(&files)?;
    let ids = policies.rules().map(|rule| rule.id.clone()).collect();
    cases.refuse_unknown(&ids);
    cases.sound()?;
    let mut results: Vec<_> = cases.list.iter().map(|case| decide(&policies, case)).collect();
    if *require {
        results.extend(required(&cases, &ids));
    }
    if let Some(path) = junit {
        let written = fs::write(path, junit::xml(&results));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    output::print(result::report(&results))?;
    Ok(u8::from(results.iter().any(|result| !result.failures.is_empty())))
}

/// Decides a case.
pub(in crate::commands) fn decide(policies: &Policies, case: &Case) -> TestResult {
    let decision = judge(policies, &case.stored).decision;
    let denials: BTreeSet<_> = decision.denials.iter().map(|rule| rule.id.clone()).collect();
    let missing = case.denies.difference(&denials);
    let missing = missing.map(|id| format!("{id} should deny, and does not"));
    let others = denials.difference(&case.denies);
    let others = others.map(|id| format!("{id} denies, and should not"));
    let faults = decision.faults.iter();
    let faults = faults.map(|fault| format!("{} cannot be decided: {}", fault.policy, fault.error));
    TestResult {
        file: case.file.clone(),
        line: Some(case.line),
        name: case.name.clone(),
        failures: missing.chain(others).chain(faults).collect(),
    }
}

/// A result for each policy, which fails unless some case expects it to deny, and another does not.
fn required(cases: &Cases, ids: &BTreeSet<String>) -> Vec<TestResult> {
    let lacking = |id: &String, denies: bool| {
        !cases.list.iter().any(|case| case.denies.contains(id) == denies)
    };
    let result = |id: &String| {
        let denying = lacking(id, true).then(|| format!("no case expects {id} to deny"));
        let sparing = lacking(id, false).then(|| format!("no case expects {id} not to deny"));
        TestResult {
            file: "--require".to_owned(),
            line: None,
            name: format!("{id} has a case that it denies, and one that it does not"),
            failures: denying.into_iter().chain(sparing).collect(),
        }
    };
    ids.iter().map(result).collect()
}

impl Cases {
    /// Refuses cases that expect a policy to deny that does not exist.
    fn refuse_unknown(&mut self, ids: &BTreeSet<String>) {
        let known: Vec<_> = ids.iter().map(String::as_str).collect();
        for case in &self.list {
            for id in case.denies.difference(ids) {
                self.mistakes.push(format!(
                    "{}:{}: case \"{}\": denies has {id}, which is no policy here; there are {}",
                    case.file,
                    case.line,
                    case.name,
                    known.join(", ")
                ));
            }
        }
    }
}
