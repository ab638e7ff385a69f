//! The SDK's configuration: from the operator's environment, with the HTTP client that is built
//! here.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::aws::unreached::naming_hosts;

/// Reads the region, the source of credentials and all else from where every AWS tool finds them:
/// the environment and the files under `~/.aws`.
pub async fn load() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client()).load().await
}

/// The SDK's own HTTP client, by the proxies that the environment names, with ring for
/// cryptography, and with the host in the errors of connections.
pub(crate) fn http_client() -> SharedHttpClient {
    let client = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    });
    naming_hosts(client)
}
