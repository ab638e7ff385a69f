//! How AWS is reached, and how long a call may take: what every client is made from.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;

use crate::aws::http;
use crate::aws::sdk::Sdk;
use crate::aws::sdk::credentials::Renewal;
use crate::aws::watch::Watch;
use crate::domain::ids::Region;
use crate::telemetry::metrics::Metrics;

/// How AWS is reached, and how calls to it are limited and measured. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(super) sdk: SdkConfig,
    pub(super) renewal: Option<Renewal>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: TimeLimits,
}

/// How long calls may take. The SDK itself would wait for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeLimits {
    /// Any call without a limit of its own.
    pub call: Duration,
    /// StopInstances.
    pub stop: Duration,
    /// A long poll, counted from the end of the time that SQS was asked to wait for messages.
    pub beyond_poll: Duration,
    /// The instance metadata service.
    pub metadata: Duration,
    /// Between two times that credentials are loaded because AWS refused the last ones.
    pub renewal: Duration,
    /// Between two times that a role is assumed because AWS refused its last credentials.
    pub role_renewal: Duration,
}

#[cfg(test)]
impl TimeLimits {
    /// The same limit for everything.
    pub(super) fn all(limit: Duration) -> Self {
        Self {
            call: limit,
            stop: limit,
            beyond_poll: limit,
            metadata: limit,
            renewal: limit,
            role_renewal: limit,
        }
    }
}

impl Connection {
    /// Reaches AWS by `sdk`, within `limits`, and counts the calls in `metrics`.
    pub(crate) fn new(sdk: impl Into<Sdk>, metrics: &Arc<Metrics>, limits: TimeLimits) -> Self {
        let Sdk { config, renewal } = sdk.into();
        let client = config.http_client().map(http::careful);
        let mut config = config.into_builder();
        config.set_http_client(client);
        Self { sdk: config.build(), renewal, metrics: Arc::clone(metrics), limits }
    }

    /// The same way to AWS, with a watch over the calls that are made by it.
    pub(crate) fn watched(&self) -> (Self, Watch) {
        let watch = Watch::default();
        let client = self.sdk.http_client().map(|client| watch.over(client));
        let mut sdk = self.sdk.to_builder();
        sdk.set_http_client(client);
        (Self { sdk: sdk.build(), ..self.clone() }, watch)
    }

    /// The region that the operator's environment names, as it is written there.
    pub(crate) fn configured_region(&self) -> Option<&str> {
        self.sdk.region().map(AsRef::as_ref)
    }

    /// The SDK's configuration for clients in `region`. Its own retries are off, since only
    /// [`crate::retry`] retries, and so is its watch over stalled streams, since every call has a
    /// time limit here.
    pub(super) fn sdk_in(&self, region: &Region) -> SdkConfig {
        self.sdk
            .to_builder()
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }
}
