//! What all stages of the pipeline share.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::pipeline::catch_panic::PanicGuard;
use crate::retry::backoff::Jitter;
use crate::retry::breaker::Breakers;
use crate::runtime::clock::Clock;
use crate::runtime::liveness::Liveness;
use crate::settings::{Live, Settings};
use crate::telemetry::metrics::Metrics;

/// What all stages share: data only, made once for a run.
#[derive(Debug)]
pub(crate) struct Context {
    /// The settings that were given at the start.
    pub(crate) settings: Settings,
    /// Those of them that a reload can change, as they are now.
    pub(crate) live: watch::Receiver<Live>,
    /// The time of day.
    pub(crate) clock: Clock,
    /// What spreads retries over time.
    pub(crate) jitter: Arc<Jitter>,
    /// Cancelled when the drain begins.
    pub(crate) drain: CancellationToken,
    /// Which loops have not come back in time.
    pub(crate) liveness: Arc<Liveness>,
    /// Where everything is counted and measured.
    pub(crate) metrics: Arc<Metrics>,
    /// Which operations of AWS are paused, because they keep failing.
    pub(crate) breakers: Arc<Breakers>,
    /// What keeps a panic to the batch in which it was raised.
    pub(crate) panic_guard: PanicGuard,
}
