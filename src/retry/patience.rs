//! Retries of a command that a person waits for, and of a sweep: what may pass is tried again for as
//! long as that makes sense, and then told.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use crate::aws::error::{AwsError, Class};
use crate::retry::backoff::{Intervals, Jitter};
use crate::retry::delays;

/// Waits between the attempts of one command or sweep, and knows since when all of them have failed.
#[derive(Debug)]
pub(crate) struct Patience {
    jitter: Arc<Jitter>,
    intervals: Intervals,
    /// Since when nothing has succeeded; `None` after a success.
    failing_since: Option<Instant>,
}

impl Patience {
    /// Nothing has failed yet.
    pub(crate) fn new(jitter: Arc<Jitter>) -> Self {
        Self { jitter, intervals: intervals(), failing_since: None }
    }

    /// Notes a failure, and waits if the same call is to be made again. Says whether it is: not
    /// after a failure that does not pass, and not once everything has failed for
    /// [`delays::COMMAND_PATIENCE`], unless EC2 only throttles, which ends.
    pub(crate) async fn again_after(&mut self, error: &AwsError) -> bool {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let may_pass = match error.class {
            Class::Throttled => true,
            Class::Transient | Class::Unknown => since.elapsed() < delays::COMMAND_PATIENCE,
            _ => false,
        };
        if may_pass {
            sleep(self.jitter.full(self.intervals.advance())).await;
        }
        may_pass
    }

    /// Notes a success.
    pub(crate) fn succeeded(&mut self) {
        self.failing_since = None;
        self.intervals = intervals();
    }
}

fn intervals() -> Intervals {
    Intervals::new(delays::COMMAND_FIRST_RETRY, delays::COMMAND_LONGEST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class) -> AwsError {
        AwsError { class, code: "Code".to_owned(), message: String::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_for_two_minutes_and_a_denial_not_at_all() {
        let (mut patience, began) = (Patience::new(Arc::new(Jitter::seeded(1))), Instant::now());
        assert!(!patience.again_after(&error(Class::Denied)).await);
        while patience.again_after(&error(Class::Transient)).await {}
        let waited = began.elapsed().as_secs();
        assert!((120..140).contains(&waited), "{waited}");
        assert!(patience.again_after(&error(Class::Throttled)).await);
        patience.succeeded();
        assert!(patience.again_after(&error(Class::Unknown)).await);
    }
}
