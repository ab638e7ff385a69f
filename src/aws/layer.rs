//! Puts a layer around the SDK's HTTP client, which sees every request and what comes of it.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_types::config_bag::ConfigBag;

use crate::domain::policy::reads::Reads;

/// What a layer knows of a request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The URL that is called.
    pub url: String,
    /// Tells over which connection, once one is chosen.
    pub connection: Option<CaptureSmithyConnection>,
    /// What is read of the answer to DescribeInstances; `None` where nothing is to be taken out.
    pub reads: Option<Arc<Reads>>,
}

/// The client with a layer around every call. The layer is given what is known of the request, and
/// the answer to come.
pub(super) fn around<L>(client: SharedHttpClient, layer: L) -> SharedHttpClient
where
    L: Fn(Asked, HttpConnectorFuture) -> HttpConnectorFuture + Clone + Send + Sync + 'static,
{
    SharedHttpClient::new(Around { inner: client, layer })
}

/// A client, or one of its connectors, with a layer around it.
struct Around<T, L> {
    inner: T,
    layer: L,
}

impl<T: fmt::Debug, L> fmt::Debug for Around<T, L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Around").field(&self.inner).finish()
    }
}

impl<L> HttpClient for Around<SharedHttpClient, L>
where
    L: Fn(Asked, HttpConnectorFuture) -> HttpConnectorFuture + Clone + Send + Sync + 'static,
{
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Around { inner, layer: self.layer.clone() })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        HttpClient::validate_base_client_config(&self.inner, components, config)
    }

    fn validate_final_config(
        &self,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        HttpClient::validate_final_config(&self.inner, components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

impl<L> HttpConnector for Around<SharedHttpConnector, L>
where
    L: Fn(Asked, HttpConnectorFuture) -> HttpConnectorFuture + Send + Sync,
{
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (url, connection) = (request.uri().to_owned(), request.extension().cloned());
        let reads = request.extension().cloned();
        (self.layer)(Asked { url, connection, reads }, self.inner.call(request))
    }
}
