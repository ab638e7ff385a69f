//! The time by AWS's clock, for comparing the machine's clock with it.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

/// The same moment by two clocks, apart from the time that the answer travelled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dated {
    /// When AWS sent an answer, by AWS's clock: its `Date` header, in whole seconds.
    pub sent: SystemTime,
    /// When the answer was read, by the machine's clock.
    pub came: SystemTime,
}

/// An interceptor that keeps the date of the first answer that a client gets. An error has a date
/// too, even one about a wrong clock.
#[derive(Clone, Debug, Default)]
pub(super) struct DateKeeper(Arc<OnceLock<Dated>>);

impl DateKeeper {
    /// The date of the first answer; nothing if no answer with a date has come.
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
