//! The only modules that know the AWS SDK.

mod calls;
pub mod connection;
pub mod date;
mod deadline;
pub mod ec2;
pub mod error;
pub mod imds;
pub mod operation;
pub mod probe;
pub mod sdk;
pub mod sns;
pub mod sqs;
pub mod sts;

use std::error::Error;
use std::iter::successors;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hyper_util::client::legacy::Error as HttpError;

use crate::aws::deadline::Passed;
use crate::aws::error::{AwsError, Class, Service, classify};

/// Per-entry results of a batch call, in the order of the entries.
pub type Entries = Vec<Result<(), AwsError>>;

fn failure<E>(service: Service, error: &SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Some(answer) = error.as_service_error() else { return unanswered(error) };
    let status = error.raw_response().map(|response| response.status().as_u16());
    AwsError {
        class: classify(service, answer.code(), status),
        code: answer.code().unwrap_or("no code").to_owned(),
        message: answer.message().unwrap_or_default().to_owned(),
    }
}

/// No answer that can be read: the call may or may not have taken effect.
fn unanswered<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> AwsError {
    let (class, code) = match error {
        _ if lacks_credentials(error) => (Class::Credentials, "NoCredentials"),
        _ if causes(error).any(is_unconnected) => (Class::Transient, "NotConnected"),
        _ if causes(error).any(<dyn Error>::is::<Passed>) => (Class::Transient, "NotSent"),
        SdkError::TimeoutError(_) => (Class::Unknown, "TimeoutError"),
        SdkError::DispatchFailure(_) => (Class::Unknown, "DispatchFailure"),
        SdkError::ResponseError(_) => (Class::Unknown, "ResponseError"),
        _ => (Class::Invalid, "ConstructionFailure"),
    };
    AwsError { class, code: code.into(), message: chain(error) }
}

/// The error and what caused it, once each.
fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error>::is::<CredentialsError>)
}

/// Whether no connection was made, so that nothing was sent.
fn is_unconnected(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<HttpError>().is_some_and(HttpError::is_connect)
}

fn causes<'error>(
    error: &'error (dyn Error + 'static),
) -> impl Iterator<Item = &'error (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}

/// Sorts the failures of a batch call to its entries; an entry that the answer does not name at
/// all counts as failed.
fn sort_entries<'answer>(
    count: usize,
    accepted: impl Iterator<Item = &'answer str>,
    failed: impl Iterator<Item = (&'answer str, AwsError)>,
) -> Entries {
    let unnamed = AwsError {
        class: Class::Transient,
        code: "Unanswered".into(),
        message: "the answer does not mention this entry".into(),
    };
    let mut entries = vec![Err(unnamed); count];
    let index = |id: &str| id.parse::<usize>().ok().filter(|index| *index < count);
    for at in accepted.filter_map(index) {
        entries[at] = Ok(());
    }
    for (id, failure) in failed {
        if let Some(at) = index(id) {
            entries[at] = Err(failure);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use aws_config::SdkConfig;
    use aws_config::retry::RetryConfig;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;

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
        let AwsError { class, code, .. } = failure(Service::Sts, &error);
        assert_eq!((class, &*code), (Class::Transient, "NotConnected"));
    }
}
