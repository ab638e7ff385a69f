//! The lines that wait to be written to the file, and how far they are written.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::file::Lines;
use crate::retry::delays;

/// When lines are left out that nobody waits for: some 20,000 wait.
const CROWDED_BYTES: usize = 8 << 20;

/// The lines on their way to the file. What waits is bounded by the messages that are held: each
/// waits for its line.
#[derive(Debug)]
pub(super) struct Trail {
    /// The path of the file.
    pub(super) path: PathBuf,
    waiting: Mutex<Waiting>,
    /// Signalled when there is something for the writer to do.
    work: Notify,
    progress: watch::Sender<Progress>,
    reopening: AtomicBool,
    /// Signalled when the file is to be opened anew.
    reopened: Notify,
}

/// The drain has begun, and the file cannot be written.
#[derive(Debug)]
pub(crate) struct Unwritten;

/// Lines that the writer has not taken yet.
#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// The number of the last line that was added; the first one has 1.
    last: u64,
}

/// How far the lines are written.
#[derive(Debug, Default)]
struct Progress {
    /// The number of the last line that is in the file.
    written: u64,
    /// Why the last write failed; `None` if it did not.
    failure: Option<String>,
    /// Since when a write has been going on; `None` between two.
    writing_since: Option<Instant>,
}

impl Trail {
    /// A trail without lines.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            waiting: Mutex::default(),
            work: Notify::new(),
            progress: watch::Sender::default(),
            reopening: AtomicBool::new(false),
            reopened: Notify::new(),
        }
    }

    /// Adds a line, and returns its number; `None` if it cannot be told in JSON, which none is.
    pub(super) fn add(&self, line: &impl Serialize) -> Option<u64> {
        let mut waiting = self.waiting();
        let before = waiting.bytes.len();
        if serde_json::to_writer(&mut waiting.bytes, line).is_err() {
            waiting.bytes.truncate(before);
            return None;
        }
        waiting.bytes.push(b'\n');
        waiting.last += 1;
        if before == 0 {
            self.work.notify_one();
        }
        Some(waiting.last)
    }

    /// Whether lines that nobody waits for are to be left out.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting().bytes.len() >= CROWDED_BYTES
    }

    /// Waits until lines wait, or the file is to be opened anew.
    pub(super) async fn work(&self) {
        while self.waiting().bytes.is_empty() && !self.is_reopening() {
            self.work.notified().await;
        }
    }

    /// Takes the lines that wait, which may be none.
    pub(super) fn take(&self) -> Lines {
        let mut waiting = self.waiting();
        Lines::new(std::mem::take(&mut waiting.bytes), waiting.last)
    }

    /// Waits until a line is written.
    ///
    /// # Errors
    /// The drain has begun, and the last write failed.
    pub(super) async fn written(
        &self,
        line: u64,
        drain: &CancellationToken,
    ) -> Result<(), Unwritten> {
        if self.progress.borrow().written >= line {
            return Ok(());
        }
        let (mut progress, mut failing) = (self.progress.subscribe(), self.progress.subscribe());
        let fails_in_drain = async {
            drain.cancelled().await;
            drop(failing.wait_for(|progress| progress.failure.is_some()).await);
        };
        tokio::select! {
            biased;
            _ = progress.wait_for(|progress| progress.written >= line) => Ok(()),
            () = fails_in_drain => Err(Unwritten),
        }
    }

    /// Waits until all lines are written, or writing fails.
    pub(super) async fn all_written(&self) {
        let last = self.waiting().last;
        let is_over = |progress: &Progress| progress.written >= last || progress.failure.is_some();
        drop(self.progress.subscribe().wait_for(is_over).await);
    }

    /// Has the file opened anew before the next line.
    pub(super) fn reopen(&self) {
        self.reopening.store(true, Ordering::Release);
        self.work.notify_one();
        self.reopened.notify_one();
    }

    /// Waits until the file is to be opened anew.
    pub(super) async fn reopened(&self) {
        while !self.is_reopening() {
            self.reopened.notified().await;
        }
    }

    /// Whether the file is to be opened anew. Says so once.
    pub(super) fn take_reopening(&self) -> bool {
        self.reopening.swap(false, Ordering::AcqRel)
    }

    fn is_reopening(&self) -> bool {
        self.reopening.load(Ordering::Acquire)
    }

    /// Remembers that a write begins.
    pub(super) fn begins_to_write(&self) {
        // Nobody waits for that.
        self.progress.send_if_modified(|progress| {
            progress.writing_since = Some(Instant::now());
            false
        });
    }

    /// Remembers that all lines up to this one are written.
    pub(super) fn wrote(&self, last: u64) {
        let written = last;
        self.progress.send_replace(Progress { written, ..Progress::default() });
    }

    /// Remembers why a write failed.
    pub(super) fn failed(&self, failure: String) {
        self.progress.send_modify(|progress| {
            progress.failure = Some(failure);
            progress.writing_since = None;
        });
    }

    /// Whether the last write failed.
    pub(super) fn is_failing(&self) -> bool {
        self.progress.borrow().failure.is_some()
    }

    /// Waits until the last write did not fail.
    pub(super) async fn until_sound(&self) {
        drop(self.progress.subscribe().wait_for(|progress| progress.failure.is_none()).await);
    }

    /// How many lines are not in the file.
    pub(super) fn unwritten(&self) -> u64 {
        let last = self.waiting().last;
        last.saturating_sub(self.progress.borrow().written)
    }

    /// Why lines are not written; `None` while they are.
    pub(super) fn trouble(&self) -> Option<String> {
        let progress = self.progress.borrow();
        let path = self.path.display();
        if let Some(failure) = &progress.failure {
            return Some(format!("audit: cannot write {path}: {failure}"));
        }
        let secs = progress.writing_since?.elapsed();
        let is_slow = secs >= delays::AUDIT_SLOW;
        is_slow.then(|| format!("audit: a write to {path} has taken {} s so far", secs.as_secs()))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
