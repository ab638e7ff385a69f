//! The SDK's HTTP client, with ring for cryptography, with the host in the errors of connections,
//! and with the proxies of the environment. The instance metadata service and the credentials of
//! containers are never asked through a proxy: its machine would answer for itself, with its own
//! instance id and its own role.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use url::{Host, Url};

use super::profile::Profile;
use crate::aws::unreached::naming_hosts;
use crate::settings::SdkVariables;

/// A client that uses no proxy.
pub(super) fn plain(trusted: &TrustStore) -> SharedHttpClient {
    client(trusted, ProxyConfig::disabled)
}

/// A client that uses the proxies that the environment names, but for the links of the machine and
/// for the places that are `direct`.
pub(super) fn with_proxies(trusted: &TrustStore, direct: Vec<Place>) -> SharedHttpClient {
    let (proxied, plain) = (client(trusted, ProxyConfig::from_env), plain(trusted));
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Fork {
            proxied: proxied.clone(),
            plain: plain.clone(),
            direct: direct.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    })
}

/// The host and the port of a URL.
pub(super) type Place = (Host, u16);

/// Where the operator has the instance metadata and the credentials of containers.
pub(super) fn direct_places(variables: &SdkVariables, profile: &Profile) -> Vec<Place> {
    let metadata = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let metadata = metadata.or_else(|| profile.get("ec2_metadata_service_endpoint"));
    let container = variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    [metadata, container].into_iter().flatten().filter_map(place).collect()
}

fn client(trusted: &TrustStore, proxies: fn() -> ProxyConfig) -> SharedHttpClient {
    let trusted = trusted.clone();
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let context = TlsContext::builder().with_trust_store(trusted.clone()).build();
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.unwrap_or_default())
            .proxy_config(proxies());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    });
    naming_hosts(client)
}

/// Sends each request through the proxies or past them.
#[derive(Clone, Debug)]
struct Fork {
    proxied: SharedHttpClient,
    plain: SharedHttpClient,
    direct: Vec<Place>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Fork {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_direct = place(request.uri())
            .is_some_and(|place| is_on_link(&place.0) || self.direct.contains(&place));
        let client = if is_direct { &self.plain } else { &self.proxied };
        client.http_connector(&self.settings, &self.components).call(request)
    }
}

fn place(url: &str) -> Option<Place> {
    let url = Url::parse(url).ok()?;
    Some((url.host()?.to_owned(), url.port_or_known_default()?))
}

/// Whether a host is one of the machine's link-local addresses, or of those that EC2 has in IPv6.
fn is_on_link(host: &Host) -> bool {
    /// `fd00:ec2::254` is the metadata service, `fd00:ec2::23` has the credentials of EKS pods.
    const EC2: [u16; 2] = [0xfd00, 0xec2];
    match host {
        Host::Ipv4(address) => address.is_link_local(),
        Host::Ipv6(address) => address.segments()[..2] == EC2 || address.is_unicast_link_local(),
        Host::Domain(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_of_the_machine_are_known() {
        for url in [
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2/credentials",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::254]/latest/api/token",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://[fe80::1]:80/",
        ] {
            assert!(is_on_link(&place(url).unwrap().0), "{url}");
        }
        for url in [
            "https://sqs.us-east-1.amazonaws.com/",
            "http://127.0.0.1:4566/",
            "http://10.0.0.1/",
            "http://169.253.169.254/",
            "http://[fd00:ec3::254]/",
            "http://169.254.169.254.example/",
        ] {
            assert!(!is_on_link(&place(url).unwrap().0), "{url}");
        }
    }
}
