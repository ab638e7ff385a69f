//! What time it is by the clock of AWS.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

/// When an answer was sent by AWS's clock, to the second, and when it came by ours.
#[derive(Clone, Copy, Debug)]
pub struct Dated {
    /// The `Date` header.
    pub sent: SystemTime,
    /// When it was read.
    pub came: SystemTime,
}

/// Keeps the date of the first answer that a client gets, be it an error.
#[derive(Clone, Debug, Default)]
pub(super) struct DateKeeper(Arc<OnceLock<Dated>>);

impl DateKeeper {
    pub(super) fn dated(&self) -> Option<Dated> {
        self.0.get().copied()
    }
}

impl Intercept for DateKeeper {
    fn name(&self) -> &'static str {
        "DateKeeper"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").and_then(parse);
        if let Some(sent) = date {
            self.0.get_or_init(|| Dated { sent, came: SystemTime::now() });
        }
        Ok(())
    }
}

fn parse(date: &str) -> Option<SystemTime> {
    DateTime::from_str(date, Format::HttpDate).ok()?.try_into().ok()
}
