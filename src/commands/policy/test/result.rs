//! What became of a case, and the report on all of them.

use std::fmt::Write;

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct TestResult {
    /// The path of its file.
    pub file: String,
    /// The line at which it begins; `None` for what no file says.
    pub line: Option<usize>,
    /// What it shows, in words.
    pub name: String,
    /// What is otherwise than the case expects; empty if it passed.
    pub failures: Vec<String>,
}

impl TestResult {
    /// Where it stands, as `FILE:LINE`.
    fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.file),
            None => self.file.clone(),
        }
    }
}

/// A paragraph for each case that failed, and how many passed.
pub(super) fn report(results: &[TestResult]) -> String {
    let mut text = String::new();
    for result in results.iter().filter(|result| !result.failures.is_empty()) {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "FAILED {}: {}", result.place(), result.name);
        for failure in &result.failures {
            let _ = writeln!(text, "       {failure}");
        }
    }
    let failed = results.iter().filter(|result| !result.failures.is_empty()).count();
    let _ = writeln!(text, "{} passed, {failed} failed", results.len() - failed);
    text
}
