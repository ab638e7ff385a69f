//! When a call was sent, and what is read of its answer. The SDK may load credentials before that, for as long as their source
//! takes, and nothing that the answer says is older than the sending.

use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::domain::policy::reads::Reads;
use crate::runtime::clock::{Clock, Moment};

/// An interceptor that keeps the moment right before the first of its calls was sent, and tells the
/// layers around the HTTP client what is read of the answer.
#[derive(Clone, Debug)]
pub(super) struct FirstSent {
    clock: Clock,
    reads: Arc<Reads>,
    at: Arc<OnceLock<Moment>>,
}

impl FirstSent {
    /// Nothing has been sent; the time of day will be that of `clock`.
    pub(super) fn none_yet(clock: Clock, reads: &Arc<Reads>) -> Self {
        Self { clock, reads: Arc::clone(reads), at: Arc::default() }
    }

    /// When the first call was sent; `None` if none was.
    pub(super) fn at(&self) -> Option<Moment> {
        self.at.get().copied()
    }
}

#[dyn_dispatch_hint]
impl Intercept for FirstSent {
    fn name(&self) -> &'static str {
        "FirstSent"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().add_extension(Arc::clone(&self.reads));
        self.at.get_or_init(|| Moment::now(self.clock));
        Ok(())
    }
}
