//! The SDK's configuration, from where every AWS tool finds it: the environment and the files under
//! `~/.aws`.
//!
//! - here: loads it;
//! - `profile`: the operator's profile, checked;
//! - `trust`: the certificate authorities that are trusted;
//! - `http_client`: the HTTP client, with proxies;
//! - `credentials`: credentials that are loaded anew where AWS refuses them.

pub(super) mod credentials;
mod http_client;
mod profile;
mod trust;

use aws_config::retry::{RetryConfig, RetryMode};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::settings::{SdkVariables, SettingsError};

use credentials::Renewal;
use profile::Profile;

/// How AWS is reached: the SDK's configuration, and how its credentials are loaded anew.
#[derive(Clone, Debug)]
pub struct Sdk {
    /// Credentials, region, endpoint and HTTP client.
    pub config: SdkConfig,
    /// `None` where somebody else looks after the credentials.
    pub(super) renewal: Option<Renewal>,
}

impl From<SdkConfig> for Sdk {
    fn from(config: SdkConfig) -> Self {
        Self { config, renewal: None }
    }
}

/// Loads the SDK's configuration as the operator's environment and profile want it.
///
/// # Errors
///
/// Names the variable, or the key of the profile, that the SDK cannot use.
pub async fn load() -> Result<Sdk, SettingsError> {
    let variables = SdkVariables::read()?;
    let profile = Profile::load(&variables).await?;
    let trusted = trust::authorities(&variables, &profile)?;
    let direct = http_client::direct_places(&variables, &profile);
    let client = if variables.name_a_proxy() {
        http_client::with_proxies(&trusted, direct)
    } else {
        http_client::plain(&trusted)
    };
    let retries = retries(&variables, &profile);
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).no_credentials();
    let loader = loader.http_client(client).retry_config(retries);
    let config = Box::pin(loader.load()).await;
    profile.check_services(&config)?;
    let mut builder = config.to_builder().service_config(EmptyIsUnset(config.clone()));
    builder.set_region(config.region().filter(|region| !region.as_ref().is_empty()).cloned());
    let config = builder.build();
    let renewal = Renewal::of(&config);
    Ok(Sdk { config: renewal.configure(config), renewal: Some(renewal) })
}

/// The SDK's own HTTP client, which trusts the system's authorities and uses no proxy.
#[cfg(any(feature = "sandbox", test))]
pub(crate) fn http_client() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    http_client::plain(&trust::system())
}

/// How the sources of credentials are asked again. The daemon's own calls are retried elsewhere.
fn retries(variables: &SdkVariables, profile: &Profile) -> RetryConfig {
    let value = |variable, key| variables.get(variable).or_else(|| profile.get(key));
    let attempts = value("AWS_MAX_ATTEMPTS", "max_attempts").and_then(|count| count.parse().ok());
    let mode = value("AWS_RETRY_MODE", "retry_mode");
    let mode = mode.and_then(|mode| mode.parse::<RetryMode>().ok());
    let retries = RetryConfig::standard().with_retry_mode(mode.unwrap_or(RetryMode::Standard));
    attempts.map_or(retries.clone(), |attempts| retries.with_max_attempts(attempts))
}

/// The endpoints that are set for single services, without those that are empty.
#[derive(Debug)]
struct EmptyIsUnset(SdkConfig);

impl LoadServiceConfig for EmptyIsUnset {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        self.0.service_config()?.load_config(key).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests;
