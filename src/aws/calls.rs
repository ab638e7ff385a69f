//! One attempt at a call to AWS: limited in time, measured, and its error classified.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::Instant;

use crate::aws::connection::{Connection, TimeLimits};
use crate::aws::error::{AwsError, Class, Service, from_sdk, table};
use crate::domain::ids::Region;
use crate::runtime::liveness;
use crate::telemetry::metrics::{Call, Metrics};

/// Makes the calls to one service in one region, and measures them.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    service: Service,
    region: Region,
    metrics: Arc<Metrics>,
    limits: TimeLimits,
}

impl Calls {
    pub(super) fn new(connection: &Connection, service: Service, region: &Region) -> Self {
        let Connection { metrics, limits, .. } = connection;
        Self { service, region: region.clone(), metrics: Arc::clone(metrics), limits: *limits }
    }

    /// How long calls may take.
    pub(super) fn limits(&self) -> TimeLimits {
        self.limits
    }

    /// Awaits one attempt, for as long as any call may take.
    pub(super) async fn attempt<T, E>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.attempt_within(self.limits.call, operation, call).await
    }

    /// Awaits one attempt for up to `limit`, and turns what went wrong into an [`AwsError`].
    pub(super) async fn attempt_within<T, E>(
        &self,
        limit: Duration,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let began = Instant::now();
        liveness::within(limit);
        let result = match tokio::time::timeout(limit, call).await {
            Ok(result) => result.map_err(|error| from_sdk(self.service, &error)),
            Err(_) => Err(unanswered_within(limit)),
        };
        self.measure(operation, result.as_ref().err(), began.elapsed());
        result
    }

    fn measure(&self, operation: &'static str, error: Option<&AwsError>, took: Duration) {
        let call = Call {
            service: self.service.label(),
            operation,
            region: &self.region,
            result: error.map_or("ok", |error| error.label(self.service)),
            is_throttled: error.is_some_and(|error| error.class == Class::Throttled),
        };
        self.metrics.called(call, took);
    }
}

fn unanswered_within(limit: Duration) -> AwsError {
    AwsError::of(&table::TIMEOUT, format!("no answer within {} s", limit.as_secs()))
}
