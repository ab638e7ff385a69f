//! Re-reads the settings on SIGHUP: what can change while the daemon runs does, the rest is named.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;

use futures_util::stream::StreamExt;
use signal_hook::consts::SIGHUP;
use signal_hook_tokio::Signals;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::settings::{Changes, Live, Settings};
use crate::telemetry::logs::Logs;

/// What `RUST_LOG` overrules.
const FILTER: &str = "log.filter";

/// The settings that run, and the ways in which they can change.
pub struct Reload {
    config: Option<PathBuf>,
    running: Settings,
    live: watch::Sender<Live>,
    logs: Logs,
    hangups: Signals,
}

impl Reload {
    /// Listens for SIGHUP from now on; what comes back beside it is for the daemon to follow.
    ///
    /// # Errors
    /// The signal cannot be taken over.
    pub fn on_hangup(
        config: Option<PathBuf>,
        running: Settings,
        logs: Logs,
    ) -> io::Result<(Self, watch::Receiver<Live>)> {
        let (live, followed) = watch::channel(running.live());
        let hangups = Signals::new([SIGHUP])?;
        Ok((Self { config, running, live, logs, hangups }, followed))
    }

    /// Re-reads at every SIGHUP, for ever.
    pub async fn run(mut self) -> Infallible {
        while self.hangups.next().await.is_some() {
            match Settings::load(self.config.as_deref()) {
                Ok(settings) => self.apply(&settings),
                Err(refused) => {
                    error!(error = %refused, "refused the changed settings; the old ones go on");
                }
            }
        }
        std::future::pending().await
    }

    fn apply(&mut self, settings: &Settings) {
        let Changes { live, fixed } = self.running.follow(settings);
        let (overruled, followed): (Vec<_>, Vec<_>) =
            live.into_iter().partition(|key| key == FILTER && self.logs.are_settled());
        info!(changed = followed.join(", "), "re-read the settings");
        if !fixed.is_empty() {
            warn!(keys = fixed.join(", "), "these settings changed too; restart to apply them");
        }
        if !overruled.is_empty() {
            warn!("log.filter changed too, but RUST_LOG is set and wins");
        }
        self.logs.follow(settings.log.filter.as_deref());
        self.live.send_replace(settings.live());
    }
}
