//! The sandbox as the HTTP client of the SDK. Calls use no sockets, so tests can pause tokio's
//! clock.

use std::time::Duration;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use axum::body::Bytes;
use axum::http::Response;
use tokio::time::timeout;

use super::Sandbox;

/// The address of the instance metadata service, the same on every EC2 instance.
const METADATA_HOST: &str = "169.254.169.254";

impl Sandbox {
    /// Returns a configuration with which SDK clients call this sandbox, without retries of the
    /// SDK. Without its watch over stalled streams, too, which counts real seconds: on a busy host a
    /// call on a paused clock would end for that.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let sandbox = self.clone();
        let client = http_client_fn(move |settings, _| {
            let read_timeout = settings.read_timeout();
            SharedHttpConnector::new(Connector { sandbox: sandbox.clone(), read_timeout })
        });
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.read(|world| world.options.region.clone())))
            .credentials_provider(SharedCredentialsProvider::new(self.credentials()))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(client)
            .build()
    }
}

#[derive(Debug, Clone)]
struct Connector {
    sandbox: Sandbox,
    read_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.answer(request).await })
    }
}

impl Connector {
    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(malformed)?;
        let request = request.map(|body| Bytes::copy_from_slice(body.bytes().unwrap_or_default()));
        if request.uri().host() == Some(METADATA_HOST) {
            return self.metadata(request.uri().path());
        }
        let answer = self.sandbox.respond(request);
        let response = match self.read_timeout {
            Some(limit) => {
                timeout(limit, answer).await.map_err(|e| ConnectorError::timeout(e.into()))?
            }
            None => answer.await,
        };
        let response = response.ok_or_else(|| ConnectorError::io("connection reset".into()))?;
        HttpResponse::try_from(response.map(SdkBody::from)).map_err(malformed)
    }
}

impl Connector {
    /// Answers as the instance metadata service (IMDSv2) does: the first request gets a token, the
    /// second the id of the instance.
    fn metadata(&self, path: &str) -> Result<HttpResponse, ConnectorError> {
        let host = self.sandbox.read(|world| world.options.host.clone());
        let host = host.ok_or_else(|| ConnectorError::io("no route to host".into()))?;
        let body = if path.ends_with("/token") { "token".to_owned() } else { host };
        let response = Response::builder().header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        HttpResponse::try_from(response.body(SdkBody::from(body)).map_err(malformed)?)
            .map_err(malformed)
    }
}

fn malformed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::user(error.into())
}
