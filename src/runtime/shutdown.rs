//! Signals as cancellation tokens: the first signal begins the drain, the second one cuts it short.
//!
//! A terminal that closes sends SIGHUP, often more than once: as a signal to the job, and again
//! from the shell. So where stdin is a terminal SIGHUP begins the drain, and never cuts one short.

use std::future::ready;
use std::io::{self, IsTerminal, stdin};

use futures_util::stream::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Whether SIGHUP means that the terminal has closed. It reloads the settings otherwise.
pub fn hangup_ends() -> bool {
    stdin().is_terminal()
}

/// The two stages of shutting down.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Cancelled by the first signal: receive no more messages, and finish those that are held.
    pub drain: CancellationToken,
    /// Cancelled by the second signal: end without waiting for anything.
    pub now: CancellationToken,
}

impl Shutdown {
    /// A shutdown that no signal begins. Tests cancel its tokens themselves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens for SIGTERM, SIGINT and, at a terminal, SIGHUP from now on, in a task of its own.
    ///
    /// # Errors
    ///
    /// The handlers of the signals cannot be installed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn on_signals() -> io::Result<Self> {
        let hangup = hangup_ends().then_some(SIGHUP);
        let signals = Signals::new([SIGTERM, SIGINT].into_iter().chain(hangup))?;
        let shutdown = Self::new();
        tokio::spawn(shutdown.clone().listen(signals));
        Ok(shutdown)
    }

    async fn listen(self, mut signals: Signals) {
        let Some(signal) = signals.next().await else { return };
        info!(signal = name(signal), "draining; a second signal ends it at once");
        self.drain.cancel();
        let mut further = signals.filter(|signal| ready(*signal != SIGHUP));
        let Some(signal) = further.next().await else { return };
        warn!(signal = name(signal), "ending at once; held messages become visible by themselves");
        self.now.cancel();
        // Goes on listening: a dropped stream would close the pipe that the signal handler writes
        // to.
        while further.next().await.is_some() {}
    }
}

fn name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_ends_it() {
        let shutdown = Shutdown::on_signals().unwrap();
        raise(SIGTERM).unwrap();
        shutdown.drain.cancelled().await;
        assert!(!shutdown.now.is_cancelled());
        raise(SIGINT).unwrap();
        shutdown.now.cancelled().await;
    }
}
