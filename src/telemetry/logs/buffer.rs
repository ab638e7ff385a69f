//! The lines that wait to be written. A thread of its own writes them, so that an output that
//! blocks, such as a pipe that nobody reads, holds up no task. What does not fit in is dropped and
//! counted.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

/// How much may wait: some 16,000 decision lines, the work of several seconds.
pub(super) const LIMIT_BYTES: usize = 8 << 20;

/// Lines that wait to be written, in the order in which they were logged.
#[derive(Debug)]
pub(super) struct Buffer {
    state: Mutex<State>,
    /// Notified when there is something to write, when it must be written now, and when it is
    /// written.
    changed: Condvar,
    limit_bytes: usize,
    /// How many lines were dropped since the start.
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State {
    waiting: Vec<u8>,
    /// Whether lines were taken that are not written yet.
    is_writing: bool,
    /// Whether somebody waits for the lines to be written.
    is_urgent: bool,
}

impl Buffer {
    pub(super) const fn new(limit_bytes: usize) -> Self {
        Self {
            state: Mutex::new(State { waiting: Vec::new(), is_writing: false, is_urgent: false }),
            changed: Condvar::new(),
            limit_bytes,
            dropped: AtomicU64::new(0),
        }
    }

    /// Adds a line, or drops it if there is no room.
    pub(super) fn push(&self, prefix: &str, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + prefix.len() + line.len() > self.limit_bytes {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_first = state.waiting.is_empty();
        state.waiting.extend_from_slice(prefix.as_bytes());
        state.waiting.extend_from_slice(line);
        if is_first || self.is_half_full(&state) {
            self.changed.notify_all();
        }
    }

    fn is_half_full(&self, state: &State) -> bool {
        state.waiting.len() >= self.limit_bytes / 2
    }

    /// Writes the lines as they come, for ever; those that come within `gathering` at once, since a
    /// call for each line would cost more than the line. When the output takes lines again after
    /// some were dropped, logs how many.
    pub(super) fn write_to(&self, mut output: impl Write, gathering: Duration) {
        let mut told = 0;
        loop {
            let lines = self.take(gathering);
            if output.write_all(&lines).and_then(|()| output.flush()).is_err() {
                let lost = lines.split_inclusive(|byte| *byte == b'\n').count();
                self.dropped.fetch_add(lost as u64, Ordering::Relaxed);
                continue;
            }
            let dropped = self.dropped();
            if dropped > told {
                warn!(
                    lines = dropped - told,
                    "lines of the log were dropped: the output was blocked"
                );
                told = dropped;
            }
        }
    }

    /// Waits for lines, and takes all that come within `gathering`. Those that were taken before
    /// are written.
    fn take(&self, gathering: Duration) -> Vec<u8> {
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        let waited = self.changed.wait_while(state, |state| state.waiting.is_empty());
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        let may_wait = |state: &mut State| !state.is_urgent && !self.is_half_full(state);
        let gathered = self.changed.wait_timeout_while(state, gathering, may_wait);
        let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        std::mem::take(&mut state.waiting)
    }

    /// Waits until every line is written, for `limit` at most.
    pub(super) fn flush(&self, limit: Duration) {
        let unwritten = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let mut state = self.lock();
        state.is_urgent = true;
        self.changed.notify_all();
        let flushed = self.changed.wait_timeout_while(state, limit, unwritten);
        flushed.unwrap_or_else(PoisonError::into_inner).0.is_urgent = false;
    }

    /// How many lines were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// A buffer of 100 bytes whose lines are written to a socket, and the other end of the socket.
    fn written() -> (&'static Buffer, UnixStream) {
        let buffer: &Buffer = Box::leak(Box::new(Buffer::new(100)));
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(LIMIT)).unwrap();
        thread::spawn(move || buffer.write_to(ours, LIMIT));
        (buffer, theirs)
    }

    /// Adds lines of 10 bytes until the output blocks and the buffer is full. Returns how many
    /// were accepted.
    fn fill(buffer: &Buffer) -> usize {
        let mut accepted = 0;
        while buffer.dropped() == 0 {
            let before = buffer.dropped();
            buffer.push("", b"123456789\n");
            accepted += usize::from(buffer.dropped() == before);
            if buffer.lock().waiting.len() == 100 {
                // Lets the thread take the lines, unless it is blocked.
                buffer.flush(Duration::from_millis(200));
            }
        }
        accepted
    }

    #[test]
    fn lines_are_written_in_their_order_with_their_prefixes() {
        let (buffer, mut output) = written();
        buffer.push("<6>", b"one\n");
        buffer.push("", b"two\n");
        buffer.flush(LIMIT);
        let mut lines = [0; 11];
        output.read_exact(&mut lines).unwrap();
        assert_eq!(&lines, b"<6>one\ntwo\n");
        assert_eq!(buffer.dropped(), 0);
    }

    #[test]
    fn an_output_that_blocks_blocks_nobody_and_all_lines_that_were_accepted_are_written() {
        let (buffer, mut output) = written();
        let accepted = fill(buffer);
        buffer.push("", b"123456789\n");
        assert_eq!(buffer.dropped(), 2);
        buffer.flush(Duration::from_millis(10));
        let mut lines = vec![0; 10 * accepted];
        output.read_exact(&mut lines).unwrap();
        assert!(lines.chunks(10).all(|line| line == b"123456789\n"));
        buffer.flush(LIMIT);
        assert_eq!(buffer.dropped(), 2);
    }

    #[test]
    fn an_output_that_is_closed_drops_lines_and_counts_them() {
        let (buffer, output) = written();
        drop(output);
        buffer.push("", b"one\n");
        buffer.flush(LIMIT);
        assert_eq!(buffer.dropped(), 1);
    }
}
