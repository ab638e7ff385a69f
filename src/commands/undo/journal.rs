//! What `undo` says and records: text for the person, and audit lines for the next run.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use time::UtcDateTime;
use tokio::time::Instant;

use crate::cli::console::Console;
use crate::cli::undo::UndoArguments;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::stored::attributes::rfc3339;
use crate::runtime::clock::Clock;

/// The name of stdin on the command line.
const STDIN: &str = "-";

/// Where the person is told, and where audit lines go.
pub(super) struct Journal {
    pub console: Console,
    pub clock: Clock,
    /// Whose credentials do it.
    pub by: String,
    /// The file of the audit lines; `None`: stdout, or nothing was recorded yet.
    file: Option<(PathBuf, File)>,
    /// Whether the audit lines go to stdout, so that nothing else does.
    records_on_stdout: bool,
}

/// One thing that was done to an instance, or failed.
pub(super) struct Deed<'d> {
    /// The kind of the line: `tag` or `start`.
    pub kind: &'static str,
    pub account: &'d Account,
    pub region: &'d Region,
    pub instance: &'d InstanceId,
    /// What is special to the kind.
    pub details: Value,
    /// The word for a success, or what EC2 answered instead.
    pub result: Result<&'static str, String>,
}

impl Journal {
    /// Nothing has been said or recorded yet.
    pub(super) fn new(console: Console, clock: Clock, arguments: &UndoArguments) -> Self {
        let records_on_stdout = file_of(arguments).is_none();
        Self { console, clock, by: String::new(), file: None, records_on_stdout }
    }

    /// Opens the file of the audit lines, before anything is done that is to stand in it.
    ///
    /// # Errors
    /// It cannot be written to.
    pub(super) fn open(&mut self, arguments: &UndoArguments) -> anyhow::Result<()> {
        let Some(path) = file_of(arguments) else { return Ok(()) };
        let file = appending(path).with_context(|| {
            let shown = path.display();
            format!("cannot record in {shown} what is done; name another file with --record")
        })?;
        self.file = Some((path.to_owned(), file));
        Ok(())
    }

    /// Tells the person something.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn say(&mut self, text: &str) -> anyhow::Result<()> {
        if self.records_on_stdout {
            self.console.remark(text.trim_end());
            return Ok(());
        }
        self.console.print(format!("{}\n", text.trim_end()))
    }

    /// Records what was done.
    ///
    /// # Errors
    /// It cannot be written. Then nothing more may be done.
    pub(super) fn record(&mut self, deed: &Deed<'_>) -> anyhow::Result<()> {
        let mut line = json!({
            "audit": 1,
            "kind": deed.kind,
            "time": rfc3339(self.now().truncate_to_second()),
            "account": deed.account,
            "region": deed.region,
            "instance": deed.instance.as_str(),
            "by": self.by,
        });
        line["result"] = deed.result.as_ref().map_or("failed", |done| *done).into();
        line["error"] = deed.result.as_ref().err().cloned().into();
        if let (Some(line), Value::Object(details)) = (line.as_object_mut(), &deed.details) {
            line.extend(details.clone());
            line.retain(|_, value| !value.is_null());
        }
        let text = format!("{line}\n");
        match &mut self.file {
            // In one write, since the daemon may append to the same file.
            Some((path, file)) => file
                .write_all(text.as_bytes())
                .with_context(|| format!("cannot record in {}", path.display())),
            None => self.console.print(text),
        }
    }

    /// Shows how far it is.
    pub(super) fn progress(&mut self, what: &str, done: usize, of: usize) {
        self.console.progress(&format!("{what} {done} of {of}"));
    }

    /// The time of day.
    pub(super) fn now(&self) -> UtcDateTime {
        UtcDateTime::from(self.clock.wall(Instant::now()))
    }
}

/// The file that is recorded in: that of `--record`, else that of `--from`; `None` where that is
/// stdin.
fn file_of(arguments: &UndoArguments) -> Option<&Path> {
    let from = (arguments.from != Path::new(STDIN)).then_some(arguments.from.as_path());
    arguments.record.as_deref().or(from)
}

/// Opens a file for appending whole lines: the last one of a process that was killed may lack its
/// end.
fn appending(path: &Path) -> std::io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(-1)).is_ok() {
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}
