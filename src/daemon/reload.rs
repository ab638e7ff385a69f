//! Reads the settings again on SIGHUP. Those that can change while the daemon runs take effect at
//! once; a warning names the others that have changed, since they need a restart.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;

use futures_util::stream::StreamExt;
use signal_hook::consts::SIGHUP;
use signal_hook_tokio::Signals;
use tokio::sync::watch;
use tracing::{Level, enabled, error, info, warn};

use crate::runtime::shutdown::hangup_ends;
use crate::settings::{Changes, Live, Settings};
use crate::telemetry::logs::Logs;

/// The setting that has no effect while the environment variable `RUST_LOG` is set.
const FILTER: &str = "log.filter";

/// Waits for SIGHUP, and applies changed settings to the running daemon.
pub struct Reload {
    /// The file that `--config` names.
    config: Option<PathBuf>,
    /// The settings that are in effect.
    running: Settings,
    /// Where the daemon gets the changed ones from.
    live: watch::Sender<Live>,
    /// The logs, whose filter can change.
    logs: Logs,
    /// The stream of SIGHUP signals.
    hangups: Signals,
}

impl Reload {
    /// Listens for SIGHUP from now on, unless it ends the daemon. The receiver that is returned
    /// gets the settings of each reload; it is for [`Daemon::live`](super::Daemon::live).
    ///
    /// # Errors
    /// The signal handler cannot be installed.
    pub fn on_hangup(
        config: Option<PathBuf>,
        running: Settings,
        logs: Logs,
    ) -> io::Result<(Self, watch::Receiver<Live>)> {
        let (live, receiver) = watch::channel(running.live());
        let hangups = Signals::new((!hangup_ends()).then_some(SIGHUP))?;
        Ok((Self { config, running, live, logs, hangups }, receiver))
    }

    /// Reads the settings again at every SIGHUP, for ever. Settings that cannot work are refused,
    /// and those in effect stay.
    pub async fn run(mut self) -> Infallible {
        while self.hangups.next().await.is_some() {
            match Settings::load(self.config.as_deref()) {
                Ok(settings) => self.apply(&settings),
                Err(refused) => {
                    error!(error = %refused, "refused the changed settings; those in effect stay");
                }
            }
        }
        std::future::pending().await
    }

    fn apply(&mut self, settings: &Settings) {
        // What is logged below is seen if either filter lets it through.
        if !enabled!(Level::INFO) {
            self.logs.follow(settings.log.filter.as_deref());
        }
        let Changes { live, fixed } = self.running.follow(settings);
        let (overruled, applied): (Vec<_>, Vec<_>) =
            live.into_iter().partition(|key| key == FILTER && self.logs.are_settled());
        info!(changed = applied.join(", "), "re-read the settings");
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
