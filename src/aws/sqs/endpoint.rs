//! Where SQS is called: of several places that the operator may have named, the one that is named
//! most exactly.
//!
//! 1. `AWS_ENDPOINT_URL_SQS`, or `endpoint_url` under `sqs` in the profile's services;
//! 2. the host of the queue's URL, if it is not the public one of the region's queues;
//! 3. `AWS_ENDPOINT_URL`, or the profile's `endpoint_url`;
//! 4. the SDK's rules, by region, FIPS and dual stack.

use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;
use aws_sdk_sqs::config::Builder;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::service_config::ServiceConfigKey;
use url::Url;

/// The configuration of a client that calls SQS at `route`, if there is one, unless the operator
/// has set an endpoint for SQS alone.
pub(super) fn config(sdk: &SdkConfig, route: Option<String>) -> Builder {
    let config = Builder::from(sdk);
    match route.filter(|_| !has_endpoint_of_its_own(sdk)) {
        // The SDK refuses to derive a FIPS or a dual-stack host from an endpoint that is given.
        Some(route) => config.endpoint_url(route).use_fips(false).use_dual_stack(false),
        None => config,
    }
}

/// Whether the operator has set an endpoint for SQS alone. The SDK tells which endpoint a service
/// has, but not why; one that no other service has is SQS's own.
fn has_endpoint_of_its_own(sdk: &SdkConfig) -> bool {
    let endpoint = |service, variable, key| {
        let key = ServiceConfigKey::builder().service_id(service).env(variable).profile(key);
        sdk.service_config()?.load_config(key.build().ok()?)
    };
    let of_sqs = endpoint("SQS", "AWS_ENDPOINT_URL", "endpoint_url");
    let of_others = endpoint("", "AWS_ENDPOINT_URL", "endpoint_url");
    let in_variable = endpoint("", "AWS_ENDPOINT_URL_SQS", "");
    of_sqs.is_some() && (of_sqs != of_others || in_variable.is_some())
}

/// Notes where the first call of a client is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Called(Arc<OnceLock<String>>);

impl Called {
    /// The scheme, the host and the port.
    pub(super) fn origin(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Called {
    fn name(&self) -> &'static str {
        "Called"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.get().is_none()
            && let Ok(url) = Url::parse(context.request().uri())
        {
            self.0.get_or_init(|| url.origin().ascii_serialization());
        }
        Ok(())
    }
}
