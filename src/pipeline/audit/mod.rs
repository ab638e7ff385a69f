//! The audit trail: a line for each stop and for each outcome, in a file or among the lines of the
//! log. `domain::audit` has the lines.
//!
//! - here: [`Audit`], by which stages add lines, and wait until they are written;
//! - [`trail`]: the lines that wait, and how far they are written;
//! - [`writer`]: the one task that writes the file;
//! - [`file`]: the file, which has whole lines only.
//!
//! # Nothing is deleted before its line
//! A message goes to a settler together with the number of its line. The settler waits until the
//! file has the line, and only then deletes the message, or hides it. While the file cannot be
//! written, messages stay leased, nothing is deleted, and no stop begins: its line is what it is undone
//! by. In the drain messages are handed back. What
//! was written is in the hands of the operating system: it outlives the process, not the machine.

mod file;
mod trail;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use time::UtcDateTime;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::runtime::clock::Clock;
use crate::settings::{AuditSettings, AuditTo, SettingsError};
use crate::telemetry::logs;
use crate::telemetry::metrics::Metrics;

use file::AuditFile;
use trail::Trail;

pub(crate) use trail::Unwritten;
pub(crate) use writer::Writer;

/// The key of the setting that names the file.
const KEY: &str = "audit.to";
const REMEDY: &str =
    "give a file in a directory in which the daemon may make files, or \"off\" or \"stdout\"";

/// The audit trail of a run. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    to: Destination,
    clock: Clock,
}

/// Where the lines go.
#[derive(Clone, Debug)]
enum Destination {
    Nowhere,
    /// Among the lines of the log. Best effort: what a blocked output does not take is dropped.
    Stdout,
    File(Arc<Trail>),
}

/// The number of a line in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineNumber(u64);

impl Audit {
    /// The trail that the settings want, and the task that writes its file. The task is to be run.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open(
        settings: &AuditSettings,
        clock: Clock,
        metrics: &Arc<Metrics>,
    ) -> Result<(Self, Option<Writer>), SettingsError> {
        let (to, writer) = match &settings.to {
            AuditTo::Off => (Destination::Nowhere, None),
            AuditTo::Stdout => (Destination::Stdout, None),
            AuditTo::File(path) => {
                let file = AuditFile::open(path).map_err(|error| unopened(path, &error))?;
                let trail = Arc::new(Trail::new(path.clone()));
                let writer = Writer::new(&trail, file, metrics);
                (Destination::File(trail), Some(writer))
            }
        };
        Ok((Self { to, clock }, writer))
    }

    /// No trail.
    pub(crate) fn off() -> Self {
        Self { to: Destination::Nowhere, clock: Clock::System }
    }

    /// Whether there is a trail, so that lines are worth making.
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self.to, Destination::Nowhere)
    }

    /// The time of day, as the lines have it.
    pub(crate) fn now(&self) -> UtcDateTime {
        self.at(Instant::now())
    }

    /// The time of day at a moment that has passed.
    pub(crate) fn at(&self, moment: Instant) -> UtcDateTime {
        self.clock.wall(moment).into()
    }

    /// Adds a line. Returns its number, if it is to be waited for.
    pub(crate) fn add(&self, line: &impl Serialize) -> Option<LineNumber> {
        match &self.to {
            Destination::Nowhere => None,
            Destination::Stdout => {
                if let Ok(mut line) = serde_json::to_vec(line) {
                    line.push(b'\n');
                    logs::print(&line);
                }
                None
            }
            Destination::File(trail) => trail.add(line).map(LineNumber),
        }
    }

    /// Whether so much waits to be written that lines nobody waits for are better left out: they
    /// would fill the memory while the disk is full.
    pub(crate) fn is_crowded(&self) -> bool {
        matches!(&self.to, Destination::File(trail) if trail.is_crowded())
    }

    /// Waits until a line is written, and with it all before it.
    ///
    /// # Errors
    /// The drain has begun, and the file cannot be written.
    pub(crate) async fn written(
        &self,
        line: Option<LineNumber>,
        drain: &CancellationToken,
    ) -> Result<(), Unwritten> {
        match (&self.to, line) {
            (Destination::File(trail), Some(LineNumber(line))) => trail.written(line, drain).await,
            _ => Ok(()),
        }
    }

    /// Whether the file cannot be written: what would be stopped now might have no line, by which it
    /// could be undone.
    pub(crate) fn is_failing(&self) -> bool {
        matches!(&self.to, Destination::File(trail) if trail.is_failing())
    }

    /// Waits until the file can be written.
    pub(crate) async fn until_sound(&self) {
        if let Destination::File(trail) = &self.to {
            trail.until_sound().await;
        }
    }

    /// How many lines are not in the file.
    pub(crate) fn unwritten(&self) -> u64 {
        match &self.to {
            Destination::File(trail) => trail.unwritten(),
            _ => 0,
        }
    }

    /// Waits until all lines are written, for `limit` at most, or until writing fails.
    pub(crate) async fn flush(&self, limit: Duration) {
        if let Destination::File(trail) = &self.to {
            drop(timeout(limit, trail.all_written()).await);
        }
    }

    /// Has the file opened anew by its path, since it was renamed.
    pub(crate) fn reopen(&self) {
        if let Destination::File(trail) = &self.to {
            trail.reopen();
        }
    }

    /// Why nothing is settled; `None` while the file can be written.
    pub(crate) fn trouble(&self) -> Option<String> {
        match &self.to {
            Destination::File(trail) => trail.trouble(),
            _ => None,
        }
    }
}

/// Whether the file can be opened, for `check`. Changes nothing: a file that this makes is removed.
///
/// # Errors
/// Why not, with key, value and remedy.
pub(crate) fn probe(path: &Path) -> Result<(), SettingsError> {
    file::probe(path).map_err(|error| unopened(path, &error))
}

fn unopened(path: &Path, error: &std::io::Error) -> SettingsError {
    let remedy = format!("cannot open it ({error}); {REMEDY}");
    SettingsError::text(KEY, &path.to_string_lossy(), remedy)
}
