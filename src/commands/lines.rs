//! Files with a JSON object on each line: stored facts, and bodies of events.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// The name of stdin on the command line.
const STDIN: &str = "-";
/// The most lines that are held in memory at once, and whose instances are looked at together.
pub(super) const BATCH: usize = 1_000;

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

/// Whether a line is the summary of `replay --json`, which is about no start.
pub(super) fn is_summary(json: &Value) -> bool {
    json.get("facts").is_none() && json.get("summary").is_some()
}

/// Whether a line is what `replay --json` says where it has no facts, as of an instance that was
/// gone.
pub(super) fn is_report(json: &Value) -> bool {
    json.get("facts").is_none() && json.get("replayed").is_some()
}

/// How many lines there are, in words.
pub(super) fn counted(lines: usize) -> String {
    if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
}

/// The lines of a file, or of stdin, without empty ones. They are read one by one, so that a long
/// file is not held in memory.
pub(super) struct Lines {
    reader: Box<dyn BufRead>,
    /// The name in messages.
    name: String,
    /// The number of the last line that was read.
    number: usize,
}

impl Lines {
    /// Opens a file, or stdin.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new(STDIN) {
            let reader = Box::new(BufReader::new(io::stdin()));
            return Ok(Self { reader, name: "stdin".to_owned(), number: 0 });
        }
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
        Ok(Self { reader: Box::new(BufReader::new(file)), name, number: 0 })
    }

    /// Reads the next [`BATCH`] lines; fewer at the end.
    ///
    /// # Errors
    /// They cannot be read, or are not UTF-8.
    pub(super) fn batch(&mut self) -> anyhow::Result<Vec<Line>> {
        self.take(BATCH).collect()
    }

    /// Reads a line with its end; `None` at the end of the file.
    fn read(&mut self) -> anyhow::Result<Option<Line>> {
        let mut text = String::new();
        let cannot = || format!("cannot read {}", self.name);
        let length = self.reader.read_line(&mut text).with_context(cannot)?;
        self.number += 1;
        Ok((length > 0).then_some(Line { number: self.number, text }))
    }
}

impl Iterator for Lines {
    type Item = anyhow::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read().transpose()? {
                Ok(line) if line.text.trim().is_empty() => {}
                read => return Some(read),
            }
        }
    }
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
