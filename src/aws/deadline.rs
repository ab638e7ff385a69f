//! A time after which a call is not sent any more. StopInstances needs one, because what is known
//! of an instance may be at most 5 s old when it is stopped, and before the SDK sends a call it may
//! load credentials, for as long as their source takes.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::runtime::clock::Moment;

/// An interceptor that fails a call which is signed and ready to be sent only when `limit` has
/// passed since a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// Since when the time counts.
    pub(crate) since: Moment,
    /// How long it lasts.
    pub(crate) limit: Duration,
}

impl Deadline {
    /// Whether the time is over.
    pub(crate) fn has_passed(&self) -> bool {
        self.since.elapsed() > self.limit
    }
}

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
        if self.has_passed() { Err(Passed.into()) } else { Ok(()) }
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it took too long until the call could be sent")
    }
}

impl Error for Passed {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::Clock;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_deadline_passes_while_the_host_is_suspended() {
        let since = Moment::now(Clock::System);
        assert!(!Deadline { since, limit: LIMIT }.has_passed());
        let since = since.before_suspension(2 * LIMIT);
        assert!(Deadline { since, limit: LIMIT }.has_passed());
    }
}
