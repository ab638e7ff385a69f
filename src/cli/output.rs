//! Writes the output of a command.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Writes to stdout. A reader that has left, as `head` does once it has its lines, wants no more of
/// it, which is no failure.
///
/// # Errors
/// If stdout does not take it for another reason.
pub(crate) fn print(text: impl AsRef<[u8]>) -> anyhow::Result<()> {
    written(io::stdout().lock(), text.as_ref()).context("cannot write to stdout")
}

/// Writes lines for the operator to stderr, beside the output.
pub fn complain(lines: impl AsRef<str>) {
    // Where stderr is closed, nobody is there to be told.
    let _ = written(io::stderr().lock(), format!("{}\n", lines.as_ref().trim_end()).as_bytes());
}

fn written(mut output: impl Write, text: &[u8]) -> io::Result<()> {
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_left_is_no_failure() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        written(writer, b"text").unwrap();
    }
}
