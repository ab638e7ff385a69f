//! The report: all findings, as a table or as JSON, and the exit code.

use std::fmt;

use serde::Serialize;

use crate::cli::output;
use crate::commands::check::finding::Finding;
use crate::commands::check::statement::Policy;
use crate::commands::check::subject::{State, Subject};
use crate::settings::SettingsError;

/// The width of the longest subject, `visibility timeout`.
const WHAT_COLUMNS: usize = 18;
/// The width of the longest state, `not proven`.
const STATE_COLUMNS: usize = 10;
/// What is left of the 80 columns that every terminal has.
const FOUND_COLUMNS: usize = 80 - WHAT_COLUMNS - STATE_COLUMNS - 4;
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

    /// 0 if nothing failed, 78 if the settings or the policies did, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        let mut failed = self.findings.iter().filter(|finding| finding.state == State::Failed);
        match failed.next() {
            None => 0,
            Some(Finding { subject: Subject::Settings | Subject::Policies, .. }) => {
                REFUSED_SETTINGS
            }
            Some(_) => 1,
        }
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
        write!(formatter, "{}{}{}", head(), Rows(&self.findings), Ending(self))
    }
}

/// Prints a report: the parts of the table as they come, or JSON at the end.
#[derive(Debug)]
pub struct Printer {
    is_json: bool,
    /// Whether stdout has taken all of it.
    result: anyhow::Result<()>,
}

impl Printer {
    /// A printer of JSON, or of a table, of which it prints the head.
    pub fn new(json: bool) -> Self {
        let result = if json { Ok(()) } else { output::print(head()) };
        Self { is_json: json, result }
    }

    /// Prints a part of the table.
    pub fn part(&mut self, findings: &[Finding]) {
        if !self.is_json && self.result.is_ok() {
            self.result = output::print(Rows(findings).to_string());
        }
    }

    /// Prints what stands below the table, or all of the JSON.
    ///
    /// # Errors
    /// If stdout did not take it.
    pub fn end(self, report: &Report) -> anyhow::Result<()> {
        self.result?;
        output::print(if self.is_json { report.json()? } else { Ending(report).to_string() })
    }
}

fn head() -> String {
    row("WHAT", "STATE", "FOUND")
}

/// A row of the table. The columns do not depend on the texts, since not all are known yet.
fn row(what: &str, state: &str, found: &str) -> String {
    format!("{what:WHAT_COLUMNS$}  {state:STATE_COLUMNS$}  {found}\n")
}

/// A text in lines that fit the last column. A command stays whole, for copying.
fn wrapped(text: &str) -> Vec<String> {
    let is_command = text.starts_with("-> aws ");
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.len() - 1;
        let needs = lines[line].chars().count() + word.chars().count() + 1;
        if lines[line].is_empty() {
            lines[line].push_str(word);
        } else if needs > FOUND_COLUMNS && !is_command {
            lines.push(word.to_owned());
        } else {
            lines[line].push(' ');
            lines[line].push_str(word);
        }
    }
    lines
}

/// Findings as rows of the table. Region and endpoint stand above the findings that come from them.
struct Rows<'findings>(&'findings [Finding]);

impl fmt::Display for Rows<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut above = None;
        for finding in self.0 {
            let place = place(finding);
            if let Some(place) = place.as_ref().filter(|_| place != above) {
                writeln!(formatter, "{place}:")?;
            }
            above = place;
            let mut lines = wrapped(&finding.found);
            formatter.write_str(&row(
                finding.subject.as_str(),
                finding.state.as_str(),
                &lines.remove(0),
            ))?;
            lines.extend(finding.remedy.iter().flat_map(|remedy| wrapped(&format!("-> {remedy}"))));
            for line in lines {
                formatter.write_str(&row("", "", &line))?;
            }
        }
        Ok(())
    }
}

/// Where a finding comes from.
fn place(finding: &Finding) -> Option<String> {
    let account = finding.account.as_ref().map(|account| format!("in account {account}"));
    let region = finding.region.as_ref().map(|region| format!("in {region}"));
    let endpoint = finding.endpoint.as_ref().map(|endpoint| format!("at {endpoint}"));
    let places: Vec<_> = [account, region, endpoint].into_iter().flatten().collect();
    (!places.is_empty()).then(|| places.join(", "))
}

/// What stands below the table: the missing policy, and how many findings there are.
struct Ending<'report>(&'report Report);

impl fmt::Display for Ending<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(policy) = self.0.missing_policy() {
            let policy = serde_json::to_string_pretty(&policy).map_err(|_| fmt::Error)?;
            let place = "Add this to the role's policy, in place of statements of the same Sid:";
            writeln!(formatter, "\n{place}\n\n{policy}")?;
        }
        let states = [State::Ok, State::NotProven, State::Warning, State::Failed];
        let counts = states.map(|state| format!("{} {}", self.0.count(state), state.as_str()));
        writeln!(formatter, "\n{}", counts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_wrapped_and_a_command_is_not() {
        let text = "word ".repeat(40);
        let lines = wrapped(text.trim_end());
        assert!(
            lines.len() > 2 && lines.iter().all(|line| line.len() <= FOUND_COLUMNS),
            "{lines:?}"
        );
        assert_eq!(lines.join(" "), text.trim_end());
        assert_eq!(wrapped(&format!("-> aws {text}")), [format!("-> aws {text}")]);
        let long = "x".repeat(200);
        assert_eq!(wrapped(&format!("a {long} b")), ["a".to_owned(), long, "b".to_owned()]);
    }

    #[test]
    fn an_endpoint_stands_once_above_its_findings_and_columns_are_aligned() {
        let finding = |subject| Finding {
            endpoint: Some("sqs.us-east-1.amazonaws.com".to_owned()),
            ..Finding::ok(subject, "found")
        };
        let findings = [finding(Subject::Queue), finding(Subject::Rule).remedy("look")];
        assert_eq!(
            Rows(&findings).to_string(),
            "at sqs.us-east-1.amazonaws.com:\n\
             queue               ok          found\n\
             rule                ok          found\n                                \
             -> look\n"
        );
    }

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
    fn settings_and_policies_that_cannot_work_end_with_78() {
        for refused in [Subject::Settings, Subject::Policies] {
            let states = [(refused, State::Failed), (Subject::Topic, State::Failed)];
            assert_eq!(report(&states).exit_code(), 78);
        }
    }
}
