//! The one task that writes the file of the audit trail. It writes outside of the async threads: a
//! disk that hangs holds up nothing but what waits for its lines.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::{error, info};

use super::file::{AuditFile, Lines};
use super::trail::Trail;
use crate::retry::backoff::Intervals;
use crate::retry::delays;
use crate::runtime::liveness;
use crate::telemetry::metrics::Metrics;

/// Writes the lines of a trail to its file.
#[derive(Debug)]
pub(crate) struct Writer {
    trail: Arc<Trail>,
    /// `None` while it is to be opened anew.
    file: Option<AuditFile>,
    metrics: Arc<Metrics>,
}

/// What goes to the thread that writes, and comes back.
struct Work {
    path: PathBuf,
    file: Option<AuditFile>,
    lines: Lines,
}

impl Writer {
    /// The task that writes to this file what is added to the trail.
    pub(super) fn new(trail: &Arc<Trail>, file: AuditFile, metrics: &Arc<Metrics>) -> Self {
        Self { trail: Arc::clone(trail), file: Some(file), metrics: Arc::clone(metrics) }
    }

    /// Writes for ever.
    pub(crate) async fn run(mut self) {
        loop {
            liveness::idle();
            self.trail.work().await;
            // Lines that come soon after are written together with the first one.
            sleep(delays::AUDIT_GATHERING).await;
            if self.trail.take_reopening() {
                self.file = None;
            }
            let lines = self.trail.take();
            self.write(lines).await;
        }
    }

    /// Writes lines until the file has all of them. In the meantime others wait in the trail.
    async fn write(&mut self, mut lines: Lines) {
        let mut intervals = Intervals::new(delays::AUDIT_RETRY, delays::LONGEST_AUDIT_RETRY);
        let mut has_failed = false;
        loop {
            self.trail.begins_to_write();
            let (path, file) = (self.trail.path.clone(), self.file.take());
            let work = Work { path, file, lines };
            let Ok((work, result)) = spawn_blocking(|| work.done()).await else { return };
            (self.file, lines) = (work.file, work.lines);
            match result {
                Ok(()) => break,
                Err(error) => self.failed(&error),
            }
            has_failed = true;
            self.wait(intervals.advance(), &mut lines).await;
        }
        if has_failed {
            info!(path = %self.trail.path.display(), "the audit trail is written again");
        }
        self.trail.wrote(lines.last);
    }

    /// Waits before the next attempt, for less if the file is to be opened anew.
    async fn wait(&mut self, interval: Duration, lines: &mut Lines) {
        drop(timeout(interval, self.trail.reopened()).await);
        if self.trail.take_reopening() {
            self.file = None;
            lines.begin_line_again();
        }
    }

    fn failed(&self, error: &io::Error) {
        self.metrics.count_audit_failure();
        self.trail.failed(error.to_string());
        error!(
            %error,
            path = %self.trail.path.display(),
            "cannot write the audit trail; until it can, messages stay in the queue: free space, \
             mend the file system, or give another file in audit.to and restart"
        );
    }
}

impl Work {
    /// Opens the file, if need be, and writes the lines.
    fn done(mut self) -> (Self, io::Result<()>) {
        let result = self.write();
        (self, result)
    }

    fn write(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(AuditFile::open(&self.path)?),
        };
        file.append(&mut self.lines)
    }
}
