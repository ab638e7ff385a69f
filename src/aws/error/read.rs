//! Reads what the SDK says of a failed call.

use std::error::Error;
use std::iter::successors;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hyper_util::client::legacy::Error as HttpError;

use crate::aws::deadline::Passed;
use crate::aws::error::classify::classify;
use crate::aws::error::table::{self, Row};
use crate::aws::error::{AwsError, Service};

/// Turns the SDK's error into an [`AwsError`].
pub(in crate::aws) fn from_sdk<E>(service: Service, error: &SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Some(answer) = error.as_service_error() else {
        return AwsError::of(&why_unanswered(error), chain(error));
    };
    let status = error.raw_response().map(|response| response.status().as_u16());
    AwsError {
        class: classify(service, answer.code(), status),
        code: answer.code().unwrap_or(table::NO_CODE.code).to_owned(),
        message: answer.message().unwrap_or_default().to_owned(),
    }
}

/// Why there is no answer that can be read. The causes come before the kind of the SDK's error,
/// because they tell whether anything was sent: if nothing was, the call has had no effect.
fn why_unanswered<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Row {
    match error {
        _ if causes(error).any(<dyn Error>::is::<CredentialsError>) => table::NO_CREDENTIALS,
        _ if causes(error).any(is_unconnected) => table::NOT_CONNECTED,
        _ if causes(error).any(<dyn Error>::is::<Passed>) => table::NOT_SENT,
        SdkError::TimeoutError(_) => table::TIMEOUT,
        SdkError::DispatchFailure(_) => table::DISPATCH_FAILURE,
        SdkError::ResponseError(_) => table::RESPONSE_ERROR,
        _ => table::CONSTRUCTION_FAILURE,
    }
}

/// The messages of the error and of its causes, joined by colons.
fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Whether no connection was made, so that nothing was sent.
fn is_unconnected(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<HttpError>().is_some_and(HttpError::is_connect)
}

/// The error, its cause, the cause of that, and so on.
fn causes<'error>(
    error: &'error (dyn Error + 'static),
) -> impl Iterator<Item = &'error (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use aws_config::SdkConfig;
    use aws_config::retry::RetryConfig;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;
    use crate::aws::error::Class;
    use crate::aws::sdk;

    #[tokio::test]
    async fn without_a_connection_nothing_was_sent() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .region(aws_config::Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(format!("http://{closed}"))
            .http_client(sdk::http_client())
            .retry_config(RetryConfig::disabled())
            .build();
        let error = aws_sdk_sts::Client::new(&sdk).get_caller_identity().send().await.unwrap_err();
        let error = from_sdk(Service::Sts, &error);
        assert_eq!((error.class, &*error.code), (Class::Transient, "NotConnected"));
        assert_eq!(error.label(Service::Sts), "not_connected");
    }
}
