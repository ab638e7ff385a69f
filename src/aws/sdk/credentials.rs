//! Credentials that are loaded anew where AWS refuses them.
//!
//! The SDK keeps credentials until they expire, and those without an expiry for a quarter of an
//! hour; and its sources keep what they have read of the operator's profile for ever. Credentials
//! that were revoked or replaced meanwhile would be used all that time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::identity::IdentityCache;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tracing::debug;

use crate::aws::http::careful;

/// The source of credentials and the cache of identities of all clients; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Renewal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    origin: Origin,
    current: Mutex<Generation>,
}

/// Where credentials come from.
#[derive(Debug)]
enum Origin {
    /// The sources of the operator's environment, which are made from this.
    Environment(Box<SdkConfig>),
    /// A role, which is assumed.
    Role(SharedCredentialsProvider),
}

/// What was loaded at one time: the sources of credentials, and the credentials themselves.
#[derive(Clone, Debug)]
struct Generation {
    sources: Arc<OnceCell<DefaultCredentialsChain>>,
    cache: SharedIdentityCache,
    began: Instant,
    /// When the next generation may begin, once AWS has refused these credentials.
    outdated_at: Option<Instant>,
}

impl Generation {
    fn new() -> Self {
        Self {
            sources: Arc::default(),
            cache: IdentityCache::lazy().build(),
            began: Instant::now(),
            outdated_at: None,
        }
    }
}

impl Renewal {
    /// The credentials of the environment that `config` was loaded from.
    pub(super) fn of(config: &SdkConfig) -> Self {
        Self::from(Origin::Environment(Box::new(config.clone())))
    }

    /// The credentials of a role.
    pub(in crate::aws) fn assuming(role: impl ProvideCredentials + 'static) -> Self {
        Self::from(Origin::Role(SharedCredentialsProvider::new(role)))
    }

    fn from(origin: Origin) -> Self {
        Self(Arc::new(Shared { origin, current: Mutex::new(Generation::new()) }))
    }

    /// Whether the credentials are those of a role that the daemon assumes.
    pub(in crate::aws) fn is_of_role(&self) -> bool {
        matches!(self.0.origin, Origin::Role(_))
    }

    /// Lets clients have their credentials from here.
    pub(in crate::aws) fn configure(&self, config: SdkConfig) -> SdkConfig {
        let mut config = config.into_builder();
        config.set_credentials_provider(Some(SharedCredentialsProvider::new(self.clone())));
        config.set_identity_cache(Some(SharedIdentityCache::new(self.clone())));
        config.build()
    }

    /// Notes that AWS refused the credentials: the next call has the whole chain of sources loaded
    /// anew, but no sooner than `spacing` after the last time.
    pub(in crate::aws) fn refused(&self, spacing: Duration) {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.outdated_at = Some(current.began + spacing);
    }

    fn current(&self) -> Generation {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.outdated_at.is_some_and(|at| at <= Instant::now()) {
            debug!("AWS refused the credentials: they are loaded anew");
            *current = Generation::new();
        }
        current.clone()
    }

    async fn load(&self) -> provider::Result {
        let config = match &self.0.origin {
            Origin::Environment(config) => config,
            Origin::Role(role) => return role.provide_credentials().await,
        };
        let sources = self.current().sources;
        let sources = sources.get_or_init(|| sources_by(config)).await;
        sources.provide_credentials().await
    }
}

/// The SDK's chain of sources: environment, profile, web identity, container, instance.
async fn sources_by(config: &SdkConfig) -> DefaultCredentialsChain {
    // A new one each time, since it keeps the profile that it has read.
    let mut sources = ProviderConfig::without_region()
        .with_region(config.region().cloned())
        .with_behavior_version(config.behavior_version())
        .with_use_fips(config.use_fips())
        .with_use_dual_stack(config.use_dual_stack());
    if let Some(client) = config.http_client() {
        sources = sources.with_http_client(careful(client));
    }
    if let Some(retries) = config.retry_config() {
        sources = sources.with_retry_config(retries.clone());
    }
    if let Some(timeouts) = config.timeout_config() {
        sources = sources.with_timeout_config(timeouts.clone());
    }
    let chain = DefaultCredentialsChain::builder().configure(sources);
    chain.region(config.region().cloned()).build().await
}

impl ProvideCredentials for Renewal {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

impl ResolveCachedIdentity for Renewal {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.current().cache;
        IdentityFuture::new(async move {
            cache.resolve_cached_identity(resolver, components, config).await
        })
    }
}
