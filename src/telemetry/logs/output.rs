//! Where the lines go: stdout or stderr, by way of the buffer. Where that is systemd's journal,
//! each line begins with its priority, so that `journalctl --priority=warning` finds warnings.

use std::fs::File;
use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::buffer::{Buffer, LIMIT_BYTES};

static BUFFER: Buffer = Buffer::new(LIMIT_BYTES);

/// The output of the logs, as `tracing` writes to it.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) is_terminal: bool,
    is_journal: bool,
}

impl Output {
    /// Starts the thread that writes the lines to stdout, and gathers them for so long.
    /// `journal_stream` is the variable by which systemd tells which file is its journal.
    pub(super) fn stdout(journal_stream: Option<&str>, gathering: Duration) -> Self {
        Self::to(stdout(), journal_stream, gathering)
    }

    /// Starts the thread that writes the lines to stderr.
    pub(super) fn stderr(journal_stream: Option<&str>, gathering: Duration) -> Self {
        Self::to(stderr(), journal_stream, gathering)
    }

    fn to<T>(file: T, journal_stream: Option<&str>, gathering: Duration) -> Self
    where
        T: Write + AsFd + IsTerminal + Send + 'static,
    {
        let is_journal = journal_stream.is_some_and(|stream| is_stream(file.as_fd(), stream));
        let output = Self { is_terminal: file.is_terminal(), is_journal };
        thread::spawn(move || BUFFER.write_to(file, gathering));
        output
    }
}

/// Whether a file has this device and inode, such as `8:1234`.
fn is_stream(file: BorrowedFd<'_>, stream: &str) -> bool {
    let metadata = file.try_clone_to_owned().and_then(|file| File::from(file).metadata());
    metadata.is_ok_and(|file| format!("{}:{}", file.dev(), file.ino()) == stream)
}

impl MakeWriter<'_> for Output {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { priority: "" }
    }

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> Line {
        Line { priority: if self.is_journal { priority(*metadata.level()) } else { "" } }
    }
}

/// The priority of a level, as the journal reads it at the beginning of a line ("sd-daemon").
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

/// Takes one line, which is written in one piece.
#[derive(Debug)]
pub(super) struct Line {
    priority: &'static str,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        BUFFER.push(self.priority, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line that is no line of the log among those, in one piece; it ends with a line feed.
pub(crate) fn print(line: &[u8]) {
    BUFFER.push("", line);
}

/// Waits until every line is written, for `limit` at most: an output that blocks must not keep the
/// process from ending.
pub fn flush(limit: Duration) {
    BUFFER.flush(limit);
}

/// How many lines were dropped since the start, because the output was blocked or closed.
pub(crate) fn dropped_lines() -> u64 {
    BUFFER.dropped()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_stream_is_known_by_device_and_inode() {
        let (one, other) = UnixStream::pair().unwrap();
        let metadata = File::from(one.as_fd().try_clone_to_owned().unwrap()).metadata().unwrap();
        let stream = format!("{}:{}", metadata.dev(), metadata.ino());
        assert!(is_stream(one.as_fd(), &stream));
        assert!(!is_stream(other.as_fd(), &stream));
        assert!(!is_stream(one.as_fd(), ""));
    }

    #[test]
    fn levels_have_the_priorities_of_syslog() {
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        assert_eq!(levels.map(priority), ["<3>", "<4>", "<6>", "<7>", "<7>"]);
    }
}
