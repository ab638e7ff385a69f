//! The report: all findings, as a table or as JSON, and the exit code.

use std::fmt;

use serde::Serialize;

use crate::cli::output;
use crate::cli::table::Table;
use crate::commands::check::finding::Finding;
use crate::commands::check::statement::Policy;
use crate::commands::check::subject::{State, Subject};
use crate::settings::SettingsError;

/// `EX_CONFIG` of sysexits.h, as for `run`.
const REFUSED_SETTINGS: u8 = 78;

/// What the preflight found.
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order of the checks.
    pub findings: Vec<Finding>,
}

/// The report as JSON.
#[derive(Serialize)]
struct Document<'report> {
    exit_code: u8,
    findings: &'report [Finding],
    /// The statements that the role's policy lacks; null without any.
    missing_policy: Option<Policy>,
}

impl Report {
    /// The report on settings that cannot work: nothing else was checked.
    pub fn refused(refused: &SettingsError) -> Self {
        let finding = Finding::failed(Subject::Settings, refused.to_string());
        Self { findings: vec![finding.remedy("nothing else is checked before they are right")] }
    }

    /// 0 if nothing failed, 78 if the settings did, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        let mut failed = self.findings.iter().filter(|finding| finding.state == State::Failed);
        match failed.next() {
            None => 0,
            Some(first) if first.subject == Subject::Settings => REFUSED_SETTINGS,
            Some(_) => 1,
        }
    }

    /// Writes it to stdout.
    ///
    /// # Errors
    /// If stdout does not take it.
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        let text = if json { self.json()? } else { self.to_string() };
        output::print(text)
    }

    /// The report as one JSON object.
    ///
    /// # Errors
    /// None that is known: everything in it can be written.
    pub fn json(&self) -> anyhow::Result<String> {
        let document = Document {
            exit_code: self.exit_code(),
            findings: &self.findings,
            missing_policy: self.missing_policy(),
        };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    fn missing_policy(&self) -> Option<Policy> {
        Policy::of(self.findings.iter().filter_map(|finding| finding.statement.as_ref()))
    }

    fn count(&self, state: State) -> usize {
        self.findings.iter().filter(|finding| finding.state == state).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns = Table::headed(["WHAT", "STATE", "FOUND"]);
        for finding in &self.findings {
            let what = match &finding.region {
                Some(region) => format!("{} in {region}", finding.subject.as_str()),
                None => finding.subject.as_str().to_owned(),
            };
            columns.add([&what, finding.state.as_str(), &finding.found]);
            if let Some(remedy) = &finding.remedy {
                columns.add(["", "", &format!("-> {remedy}")]);
            }
        }
        write!(formatter, "{columns}")?;
        if let Some(policy) = self.missing_policy() {
            let policy = serde_json::to_string_pretty(&policy).map_err(|_| fmt::Error)?;
            let place = "Add this to the role's policy, in place of statements of the same Sid:";
            writeln!(formatter, "\n{place}\n\n{policy}")?;
        }
        let states = [State::Ok, State::NotProven, State::Warning, State::Failed];
        let counts = states.map(|state| format!("{} {}", self.count(state), state.as_str()));
        writeln!(formatter, "\n{}", counts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(states: &[(Subject, State)]) -> Report {
        let findings = states
            .iter()
            .map(|&(subject, state)| Finding { state, ..Finding::ok(subject, "found") });
        Report { findings: findings.collect() }
    }

    #[test]
    fn what_is_not_proven_or_warned_of_ends_with_0() {
        let states = [(Subject::Topic, State::NotProven), (Subject::Guard, State::Warning)];
        assert_eq!(report(&states).exit_code(), 0);
    }

    #[test]
    fn what_failed_ends_with_1() {
        let states = [(Subject::Settings, State::Ok), (Subject::Topic, State::Failed)];
        assert_eq!(report(&states).exit_code(), 1);
    }

    #[test]
    fn settings_that_cannot_work_end_with_78() {
        let states = [(Subject::Settings, State::Failed), (Subject::Topic, State::Failed)];
        assert_eq!(report(&states).exit_code(), 78);
    }
}
