//! A call to AWS: its time limit, its count in the metrics, and the class of its error.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::Instant;

use crate::aws::connection::{Connection, TimeLimits};
use crate::aws::error::read::from_sdk;
use crate::aws::error::{AwsError, Class, Service, table};
use crate::aws::sdk::credentials::Renewal;
use crate::domain::ids::Region;
use crate::runtime::liveness;
use crate::telemetry::metrics::{Call, Metrics};

/// Awaits the calls to one service in one region.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    service: Service,
    region: Region,
    metrics: Arc<Metrics>,
    limits: TimeLimits,
    renewal: Option<Renewal>,
}

impl Calls {
    /// Calls to `service` in `region`, within the limits of the connection.
    pub(super) fn new(connection: &Connection, service: Service, region: &Region) -> Self {
        let Connection { metrics, limits, renewal, .. } = connection.clone();
        Self { service, region: region.clone(), metrics, limits, renewal }
    }

    /// How long calls may take, for those with a limit of their own.
    pub(super) fn limits(&self) -> TimeLimits {
        self.limits
    }

    /// Awaits a call for as long as calls without a limit of their own may take.
    pub(super) fn attempt<T, E>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, AwsError>>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.attempt_within(self.limits.call, operation, call)
    }

    /// Awaits a call for up to `limit`.
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
        // Boxed: the SDK's futures take kilobytes, in each function that they are passed through.
        let answer = limited(limit, Box::pin(call)).await;
        let result =
            answer.and_then(|answer| answer.map_err(|error| from_sdk(self.service, &error)));
        self.measure(operation, result.as_ref().err(), began.elapsed());
        self.renew_if_refused(result.as_ref().err());
        result
    }

    /// Has the credentials loaded anew for the next call if this error refused them. EC2 also refuses
    /// sound ones, in a region that the account has not opted in to, so that SQS and SNS decide about
    /// the daemon's own; those of a role are used for EC2 alone.
    fn renew_if_refused(&self, error: Option<&AwsError>) {
        let Some(renewal) = &self.renewal else { return };
        if error.is_none_or(|error| error.class != Class::Credentials) {
            return;
        }
        if self.service != Service::Ec2 || renewal.is_of_role() {
            renewal.refused(self.limits.renewal);
        }
    }

    /// Awaits the next page of a list. Each page is a call, with a time limit and a count of its
    /// own. After the last page there is `None`, and no call.
    pub(super) async fn next_page<T, E>(
        &self,
        operation: &'static str,
        page: impl Future<Output = Option<Result<T, SdkError<E, HttpResponse>>>>,
    ) -> Result<Option<T>, AwsError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let began = Instant::now();
        let answer = limited(self.limits.call, page).await;
        let page = answer
            .and_then(|page| page.transpose().map_err(|error| from_sdk(self.service, &error)));
        if !matches!(page, Ok(None)) {
            self.measure(operation, page.as_ref().err(), began.elapsed());
        }
        self.renew_if_refused(page.as_ref().err());
        page
    }

    /// Counts a call that has ended.
    fn measure(&self, operation: &'static str, error: Option<&AwsError>, took: Duration) {
        let call = Call {
            service: self.service.label(),
            operation,
            region: &self.region,
            result: error.map_or("ok", |error| error.label(self.service)),
            is_throttled: error.is_some_and(|error| error.class == Class::Throttled),
        };
        self.metrics.count_call(call, took);
    }
}

/// Awaits an answer for up to `limit`.
async fn limited<T>(limit: Duration, answer: impl Future<Output = T>) -> Result<T, AwsError> {
    liveness::within(limit);
    let answer = tokio::time::timeout(limit, answer).await;
    answer.map_err(|_| {
        AwsError::of(&table::TIMEOUT, format!("no answer within {} s", limit.as_secs()))
    })
}
