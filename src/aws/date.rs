//! The date of one answer: the time by AWS's clock.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::aws::watch::date_by_aws;

/// An interceptor that keeps the date of the answer to its call, in whole seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct AnswerDate(Arc<OnceLock<SystemTime>>);

impl AnswerDate {
    /// When AWS sent the answer; `None` if that did not say.
    pub(super) fn get(&self) -> Option<SystemTime> {
        self.0.get().copied()
    }
}

#[dyn_dispatch_hint]
impl Intercept for AnswerDate {
    fn name(&self) -> &'static str {
        "AnswerDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = date_by_aws(context.response()) {
            self.0.get_or_init(|| date);
        }
        Ok(())
    }
}
