//! Reads the settings again on SIGHUP. Those that can change while the daemon runs take effect at
//! once; a warning names the others that have changed, since they need a restart.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use futures_util::stream::StreamExt;
use signal_hook::consts::SIGHUP;
use signal_hook_tokio::Signals;
use tokio::sync::watch;
use tracing::{Level, enabled, error, info, warn};

use super::site::Site;
use super::startup;
use crate::domain::policy::Policies;
use crate::health::Health;
use crate::runtime::shutdown::hangup_ends;
use crate::settings::{Changes, Live, Settings, SettingsError};
use crate::telemetry::logs::Logs;

/// The setting that has no effect while the environment variable `RUST_LOG` is set.
const FILTER: &str = "log.filter";

/// Where the settings come from.
#[derive(Clone, Debug, Default)]
pub struct SettingsSource {
    /// The file that `--config` names.
    pub config: Option<PathBuf>,
    /// Whether `--dry-run` was given.
    pub dry_run: bool,
}

impl SettingsSource {
    /// Loads the settings.
    ///
    /// # Errors
    /// Says which key is wrong and what would be right.
    pub fn load(&self) -> Result<Settings, SettingsError> {
        let file = self.config.as_deref();
        if self.dry_run { Settings::load_for_dry_run(file) } else { Settings::load(file) }
    }
}

/// Waits for SIGHUP, and applies changed settings to the running daemon.
pub struct Reload {
    /// The file that `--config` names, and whether `--dry-run` was given.
    source: SettingsSource,
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
        source: SettingsSource,
        running: Settings,
        logs: Logs,
    ) -> io::Result<(Self, watch::Receiver<Live>)> {
        let (live, receiver) = watch::channel(running.live());
        let hangups = Signals::new((!hangup_ends()).then_some(SIGHUP))?;
        Ok((Self { source, running, live, logs, hangups }, receiver))
    }

    /// Reads the settings again at every SIGHUP, for ever. Settings that cannot work are refused as
    /// a whole, and those in effect stay. `site` is set as soon as the daemon knows where it works.
    pub async fn run(mut self, site: Arc<OnceLock<Site>>, health: Arc<Health>) -> Infallible {
        while self.hangups.next().await.is_some() {
            health.reopen_audit();
            let settings = self.source.load();
            let loaded = settings.and_then(|settings| {
                let policies = self.changed_policies(&settings, site.get())?;
                Ok((settings, policies))
            });
            match loaded {
                Ok((settings, policies)) => {
                    self.apply(&settings, policies);
                    health.reload_was_refused(false);
                }
                Err(refused) => {
                    health.reload_was_refused(true);
                    for error in refused.lines() {
                        error!(error, "refused the changed settings; those in effect stay");
                    }
                }
            }
        }
        std::future::pending().await
    }

    /// Reads the policies again, if the settings want other ones.
    fn changed_policies(
        &self,
        settings: &Settings,
        site: Option<&Site>,
    ) -> Result<Option<Arc<Policies>>, SettingsError> {
        if !self.running.has_other_policies(settings) {
            return Ok(self.live.borrow().policies.clone());
        }
        let site = site.ok_or(SettingsError::TooEarly)?;
        let settings = self.running.with_policies_of(settings);
        site.policies(&settings, SystemTime::now()).map(Arc::new).map(Some)
    }

    fn apply(&mut self, settings: &Settings, policies: Option<Arc<Policies>>) {
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
        if let Some(policies) = policies.as_ref().filter(|policies| !self.has(policies)) {
            startup::log_policies(policies, settings);
        }
        self.live.send_replace(Live { policies, ..settings.live() });
    }

    /// Whether these policies are in effect.
    fn has(&self, policies: &Arc<Policies>) -> bool {
        self.live.borrow().policies.as_ref().is_some_and(|running| Arc::ptr_eq(running, policies))
    }
}
