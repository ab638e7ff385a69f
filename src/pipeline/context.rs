//! What all stages of the pipeline share.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::policy::Policies;
use crate::pipeline::catch_panic::PanicGuard;
use crate::retry::backoff::Jitter;
use crate::retry::breaker::Breakers;
use crate::runtime::clock::Clock;
use crate::runtime::liveness::Liveness;
use crate::settings::{Live, Settings};
use crate::telemetry::metrics::Metrics;

/// What all stages share. Made once for a run.
#[derive(Debug)]
pub(crate) struct Context {
    /// The settings as they were loaded at the start.
    pub(crate) settings: Settings,
    /// The current values of the settings that a reload can change.
    pub(crate) live: LiveSettings,
    /// The time of day, for the ages of events and the time of the last poll.
    pub(crate) clock: Clock,
    /// The source of random delays, so that retries do not all happen at the same time.
    pub(crate) jitter: Arc<Jitter>,
    /// Cancelled when the drain begins.
    pub(crate) drain: CancellationToken,
    /// Cancelled when the last poller has ended: from then on no message that is handed back can
    /// come to this process again.
    pub(crate) polling_ended: CancellationToken,
    /// Knows which task has not come back in time from what it waits for.
    pub(crate) liveness: Arc<Liveness>,
    /// What this run counts and measures.
    pub(crate) metrics: Arc<Metrics>,
    /// Pause operations of AWS that keep failing.
    pub(crate) breakers: Arc<Breakers>,
    /// Catches panics, so that each affects only the batch in which it was raised.
    pub(crate) panic_guard: PanicGuard,
}

/// The current values of the settings that a reload can change.
#[derive(Clone, Debug)]
pub(crate) struct LiveSettings {
    /// The values; the policies are missing before the first reload.
    pub(crate) values: watch::Receiver<Live>,
    /// The policies as they were loaded at the start.
    pub(crate) first_policies: Arc<Policies>,
}

impl LiveSettings {
    /// The policies that are in effect.
    fn policies(&self) -> Arc<Policies> {
        let reloaded = self.values.borrow().policies.clone();
        reloaded.unwrap_or_else(|| Arc::clone(&self.first_policies))
    }
}

impl Context {
    /// The policies that are in effect. Whoever works on a batch asks once, so that all of it is
    /// judged by the same.
    pub(crate) fn policies(&self) -> Arc<Policies> {
        self.live.policies()
    }
}
