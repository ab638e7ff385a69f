//! A time after which a call is not sent any more. StopInstances needs one, because what is known
//! of an instance may be at most 5 s old when it is stopped, and before the SDK sends a call it may
//! load credentials, for as long as their source takes.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::time::Instant;

/// An interceptor that fails a call which is signed and ready to be sent only after this moment.
#[derive(Debug)]
pub(super) struct Deadline(pub(super) Instant);

/// The error of such a call. Nothing was sent.
#[derive(Debug)]
pub(super) struct Passed;

#[dyn_dispatch_hint]
impl Intercept for Deadline {
    fn name(&self) -> &'static str {
        "Deadline"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if Instant::now() <= self.0 { Ok(()) } else { Err(Passed.into()) }
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it took too long until the call could be sent")
    }
}

impl Error for Passed {}
