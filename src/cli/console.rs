//! The terminal of a command that asks before it acts, and shows how far it is.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write, stderr, stdin};

use anyhow::Context;

use super::output;

/// The terminal as a device, for an answer where stdin has something else.
const TERMINAL: &str = "/dev/tty";

/// Where a command writes, and whom it asks.
pub struct Console {
    /// The output; `None`: stdout.
    pub output: Option<Box<dyn Write>>,
    /// Whence the answers come; `None` where nobody can be asked.
    pub answers: Option<Box<dyn BufRead>>,
    /// Where questions and remarks go that are no output.
    pub remarks: Box<dyn Write>,
    /// Whether a line on the remarks says how far the command is.
    pub shows_progress: bool,
}

/// What a person answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// Nobody is there to answer.
    Nobody,
}

impl Console {
    /// That of the process. Where stdin is taken for something else, the terminal is asked by its
    /// device.
    pub fn of_process(is_stdin_taken: bool) -> Self {
        let answers: Option<Box<dyn BufRead>> = if is_stdin_taken {
            let terminal = File::open(TERMINAL).ok().filter(IsTerminal::is_terminal);
            terminal.map(|terminal| Box::new(BufReader::new(terminal)) as _)
        } else {
            stdin().is_terminal().then(|| Box::new(BufReader::new(stdin())) as _)
        };
        let shows_progress = stderr().is_terminal();
        Self { output: None, answers, remarks: Box::new(stderr()), shows_progress }
    }

    /// Writes output.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn print(&mut self, text: impl AsRef<[u8]>) -> anyhow::Result<()> {
        match &mut self.output {
            None => output::print(text),
            Some(output) => {
                let written = output.write_all(text.as_ref()).and_then(|()| output.flush());
                written.context("cannot write the output")
            }
        }
    }

    /// Writes a line that is no output.
    pub fn remark(&mut self, line: &str) {
        // Where stderr is closed, nobody is there to be told.
        let _ = writeln!(self.remarks, "{line}").and_then(|()| self.remarks.flush());
    }

    /// Asks for a yes or a no; anything but `y` or `yes` is a no.
    pub fn ask(&mut self, question: &str) -> Answer {
        let Some(answers) = &mut self.answers else { return Answer::Nobody };
        let _ = write!(self.remarks, "{question} [y/N] ").and_then(|()| self.remarks.flush());
        let mut answer = String::new();
        if answers.read_line(&mut answer).is_err() {
            return Answer::No;
        }
        let is_yes = matches!(&*answer.trim().to_ascii_lowercase(), "y" | "yes");
        if is_yes { Answer::Yes } else { Answer::No }
    }

    /// Shows how far the command is, in place of the last time that it did; an empty text ends it.
    pub fn progress(&mut self, text: &str) {
        if self.shows_progress {
            // Back to the beginning of the line, and nothing behind the text.
            let _ = write!(self.remarks, "\r{text}\x1b[K").and_then(|()| self.remarks.flush());
        }
    }
}
