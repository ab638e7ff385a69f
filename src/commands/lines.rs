//! Files with a JSON object on each line: stored facts, and bodies of events.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// The name of stdin on the command line.
const STDIN: &str = "-";

/// A line with something on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Its number, which counts from 1.
    pub number: usize,
    /// Its text.
    pub text: String,
}

impl Line {
    /// Reads the JSON of the line.
    ///
    /// # Errors
    /// It is no JSON.
    pub(super) fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.text).map_err(|error| format!("is no JSON: {error}"))
    }
}

/// Whether a line is what `replay --json` says beside facts: its summary, or an instance that was
/// gone.
pub(super) fn is_report(json: &Value) -> bool {
    let has = |key| json.get(key).is_some();
    !has("facts") && (has("summary") || has("replayed"))
}

/// How many lines there are, in words.
pub(super) fn counted(lines: usize) -> String {
    if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
}

/// Reads the lines of a file, or of stdin. Empty ones are left out.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub(super) fn of(path: &Path) -> anyhow::Result<Vec<Line>> {
    let text = text_of(path)?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    Ok(lines.map(|(line, number)| Line { number, text: line.to_owned() }).collect())
}

/// Reads a file, or stdin.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub(super) fn text_of(path: &Path) -> anyhow::Result<String> {
    if path != Path::new(STDIN) {
        return fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    }
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text).context("cannot read stdin")?;
    Ok(text)
}
