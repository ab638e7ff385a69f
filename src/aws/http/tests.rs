//! Answers that are cut off, and connections that bring none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use super::*;
use crate::aws::connection::{Connection, TimeLimits};
use crate::aws::error::{AwsError, Class};
use crate::aws::sts;
use crate::domain::ids::Region;

const LIMIT: Duration = Duration::from_secs(10);
const WHOLE: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
    <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

/// The other end of the connections: what it answers, and whether it is not to be called again.
#[derive(Clone, Debug)]
struct Server {
    /// The status and the body; `None` is silence.
    answer: Option<(u16, &'static str)>,
    is_given_up: Arc<AtomicBool>,
}

impl HttpConnector for Server {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let given_up = Arc::clone(&self.is_given_up);
        let connection = request.extension::<CaptureSmithyConnection>().unwrap();
        connection.set_connection_retriever(move || {
            let given_up = Arc::clone(&given_up);
            let poisoned = move || given_up.store(true, Ordering::Relaxed);
            Some(ConnectionMetadata::builder().proxied(false).poison_fn(poisoned).build())
        });
        let answer = self.answer;
        HttpConnectorFuture::new(async move {
            let Some((status, body)) = answer else { return std::future::pending().await };
            Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body)))
        })
    }
}

/// Makes one call, and says whether its connection was given up.
async fn call(answer: Option<(u16, &'static str)>) -> (Result<(), AwsError>, bool) {
    let server = Server { answer, is_given_up: Arc::default() };
    let is_given_up = Arc::clone(&server.is_given_up);
    let client = http_client_fn(move |_, _| SharedHttpConnector::new(server.clone()));
    let credentials = Credentials::new("key", "secret", None, None, "test");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(client)
        .build();
    let limits = TimeLimits::all(LIMIT);
    let connection = Connection::new(sdk, &Arc::default(), limits);
    let account = sts::account(&connection, &Region::parse("us-east-1").unwrap()).await;
    (account.map(drop), is_given_up.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answers_is_used_again() {
    let (answer, is_given_up) = call(Some((200, WHOLE))).await;
    assert!(answer.is_ok() && !is_given_up);
    let (answer, is_given_up) = call(Some((403, "<ErrorResponse/>"))).await;
    assert!(answer.is_err() && !is_given_up);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stays_silent_is_not_used_again() {
    let (answer, is_given_up) = call(None).await;
    assert_eq!(answer.unwrap_err().code, "TimeoutError");
    assert!(is_given_up);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_leaves_open_what_happened() {
    let (answer, is_given_up) = call(Some((200, &WHOLE[..WHOLE.len() - 1]))).await;
    let error = answer.unwrap_err();
    assert_eq!((error.class, &*error.code), (Class::Unknown, "ResponseError"));
    let cut = format!(
        "the end of the answer is missing; HTTP 200, no content type, {} bytes",
        WHOLE.len() - 1
    );
    assert!(error.message.contains(&cut), "{}", error.message);
    assert!(is_given_up);
}
