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
use crate::aws::error::foreign::describe;
use crate::aws::error::table::{self, Row};
use crate::aws::error::{AwsError, Class, Service};
use crate::aws::http::FaultyAnswer;
use crate::aws::unreached::Unreached;

/// Turns the SDK's error into an [`AwsError`].
pub(in crate::aws) fn from_sdk<E>(service: Service, error: &SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let response = error.raw_response();
    let Some(answer) = error.as_service_error() else {
        let told = response.map(describe);
        let message = [chain(error)].into_iter().chain(told).collect::<Vec<_>>().join("; ");
        return AwsError::of(&why_unanswered(error), message);
    };
    let status = response.map(|response| response.status().as_u16());
    let class = classify(service, answer.code(), status);
    let message = answer.message().unwrap_or_default().to_owned();
    match answer.code() {
        Some(code) => AwsError { class, code: code.to_owned(), message },
        None => uncoded(class, &message, response),
    }
}

/// The error of an answer that names no code, so that its sender may be a stranger.
fn uncoded(class: Class, message: &str, response: Option<&HttpResponse>) -> AwsError {
    let told = response.map(describe).unwrap_or_default();
    let message = if message.is_empty() { told } else { format!("{message}; {told}") };
    AwsError { class, ..AwsError::of(&table::NO_CODE, message) }
}

/// Why there is no answer that can be read. The causes come before the kind of the SDK's error,
/// because they tell whether anything was sent: if nothing was, the call has had no effect.
fn why_unanswered<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Row {
    match error {
        _ if causes(error).any(<dyn Error>::is::<CredentialsError>) => table::NO_CREDENTIALS,
        _ if causes(error).any(is_unconnected) => table::NOT_CONNECTED,
        _ if causes(error).any(<dyn Error>::is::<Passed>) => table::NOT_SENT,
        _ if causes(error).any(<dyn Error>::is::<FaultyAnswer>) => table::RESPONSE_ERROR,
        SdkError::TimeoutError(_) => table::TIMEOUT,
        SdkError::DispatchFailure(_) => table::DISPATCH_FAILURE,
        SdkError::ResponseError(_) => table::RESPONSE_ERROR,
        _ => table::CONSTRUCTION_FAILURE,
    }
}

/// The messages of the error and of its causes, joined by colons. A host that cannot be reached
/// says all by itself, unless it was asked for credentials.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes: Vec<_> = causes(error).collect();
    let unreached = causes.iter().position(|cause| cause.is::<Unreached>());
    let is_call = !causes.iter().any(|cause| cause.is::<CredentialsError>());
    let told = match unreached {
        Some(at) if is_call => &causes[at..=at],
        Some(at) => &causes[..=at],
        None => &causes,
    };
    told.iter().map(ToString::to_string).collect::<Vec<_>>().join(": ")
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
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use aws_config::SdkConfig;
    use aws_config::retry::RetryConfig;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;
    use crate::aws::sdk;

    fn sdk(endpoint: &str) -> SdkConfig {
        let credentials = Credentials::new("key", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .region(aws_config::Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint)
            .http_client(sdk::http_client())
            .retry_config(RetryConfig::disabled())
            .build()
    }

    /// What a call to STS at this endpoint fails with.
    async fn failure(endpoint: &str) -> AwsError {
        let client = aws_sdk_sts::Client::new(&sdk(endpoint));
        from_sdk(Service::Sts, &client.get_caller_identity().send().await.unwrap_err())
    }

    /// Answers one request with these bytes, and closes the connection.
    fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn without_a_connection_nothing_was_sent_and_the_host_is_named() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = failure(&format!("http://{closed}")).await;
        assert_eq!((error.class, &*error.code), (Class::Transient, "NotConnected"));
        assert_eq!(error.label(Service::Sts), "not_connected");
        let begins = format!("no connection to {closed}: tcp connect error: ");
        assert!(error.message.starts_with(&begins), "{error}");
    }

    #[tokio::test]
    async fn a_host_that_no_name_server_knows_is_named_and_the_region_asked_about() {
        let error = failure("http://sts.eu-cental-1.invalid").await;
        assert_eq!((error.class, &*error.code), (Class::Transient, "NotConnected"));
        let begins = "no address is known for sts.eu-cental-1.invalid (";
        assert!(error.message.starts_with(begins), "{error}");
        assert!(error.message.ends_with("): is the region right, and the endpoint?"), "{error}");
    }

    #[tokio::test]
    async fn a_page_of_a_proxy_is_told_and_not_taken_for_an_answer_of_aws() {
        let page = "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\n\
                    content-length: 19\r\n\r\n<html>Bad Gateway\r\n";
        let error = failure(&answering(page)).await;
        assert_eq!(error.class, Class::Transient);
        assert_eq!(
            error.to_string(),
            "NoCode: HTTP 502, text/html, 19 bytes, which begin \"<html>Bad Gateway\\r\\n\"; \
             this does not look like AWS: is there a proxy?"
        );
    }

    #[tokio::test]
    async fn a_page_that_comes_with_200_is_told_too() {
        let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\
                    content-length: 14\r\n\r\n<html>Sign in!";
        let error = failure(&answering(page)).await;
        assert_eq!((error.class, &*error.code), (Class::Unknown, "NoCode"));
        let told = "HTTP 200, text/html, 14 bytes, which begin \"<html>Sign in!\"";
        assert!(error.message.contains(told), "{error}");
    }
}
