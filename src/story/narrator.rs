//! Tells the day: lines of at most 80 columns, each with its time.

use std::io::Write;

use anyhow::Context;
use time::UtcDateTime;

/// The most columns of a line: a terminal has 80.
const WIDTH: usize = 79;
/// How far the text is indented behind the time.
const INDENT: &str = "       ";

/// Writes what happens.
pub(super) struct Narrator {
    output: Box<dyn Write + Send>,
}

impl Narrator {
    pub(super) fn new(output: Box<dyn Write + Send>) -> Self {
        Self { output }
    }

    /// Tells something, at a time of the day.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(super) fn say(&mut self, at: UtcDateTime, text: &str) -> anyhow::Result<()> {
        let time = format!("{:02}:{:02}  ", at.hour(), at.minute());
        self.write(&wrapped(&time, text))
    }

    /// Shows what a command printed.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(super) fn show(&mut self, printed: &str) -> anyhow::Result<()> {
        let lines: Vec<_> =
            printed.lines().map(|line| format!("  | {line}").trim_end().to_owned()).collect();
        self.write(&(lines.join("\n") + "\n"))
    }

    /// Leaves a line empty.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(super) fn pause(&mut self) -> anyhow::Result<()> {
        self.write("\n")
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        let written = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
        written.context("cannot write the output")
    }
}

/// A text in lines, the first of which begins with `begin`.
fn wrapped(begin: &str, text: &str) -> String {
    let (mut lines, mut line) = (String::new(), begin.to_owned());
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.len() + word.len() >= WIDTH {
            lines += &(line + "\n");
            (line, is_empty) = (INDENT.to_owned(), true);
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_wrapped_below_its_beginning() {
        let text = wrapped("08:00  ", &"word ".repeat(30));
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert!(text.starts_with("08:00  word word"));
        assert!(text.lines().nth(1).unwrap().starts_with("       word"));
        assert_eq!(text.matches("word").count(), 30);
    }
}
