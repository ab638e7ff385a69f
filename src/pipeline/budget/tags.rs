//! Reads the queue's tags again and again, so that a hold binds this process within a minute, and
//! sets those of this process's own holds.

use std::sync::Arc;

use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::holds::Reading;
use super::{Budget, TargetBudget};
use crate::aws::error::{AwsError, Class};
use crate::aws::sqs::Queue;
use crate::domain::hold::Hold;
use crate::retry::backoff::Intervals;
use crate::retry::delays;
use crate::runtime::liveness;

/// What is said where tags cannot be read, or set, and what would be right.
const UNREADABLE: &str = "the queue's tags cannot be read, so that holds of others and hold/all do \
     not bind this process; allow sqs:ListQueueTags";
const UNWRITABLE: &str = "the queue's tags cannot be set, so that a hold binds this process alone, \
     until it ends; allow sqs:TagQueue";

/// What sets and reads the holds.
#[derive(Clone, Debug)]
pub(crate) struct HoldTags {
    /// The budget that the holds are of.
    pub(crate) budget: Arc<Budget>,
    /// The queue whose tags they are.
    pub(crate) queue: Queue,
}

impl HoldTags {
    /// Reads the holds before the first stop: for as long as failures may pass, since a hold that is
    /// not seen does not bind. Where IAM denies it, stops go on without.
    pub(crate) async fn read_first(&self) {
        let mut intervals = Intervals::new(delays::FIRST_PROBE, delays::QUEUE_TAGS_READ);
        while let Err(failure) = self.read().await
            && matches!(failure.class, Class::Throttled | Class::Transient | Class::Unknown)
        {
            let wait = intervals.advance();
            liveness::within(wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// Reads the tags, and sets those that are missing, for ever.
    pub(crate) async fn watch(self) {
        loop {
            liveness::within(delays::QUEUE_TAGS_READ);
            tokio::time::sleep(delays::QUEUE_TAGS_READ).await;
            for (hold, since) in self.unwritten() {
                self.write(&hold, &since).await;
            }
            // A failure is logged, and what was known stays.
            drop(self.read().await);
        }
    }

    fn unwritten(&self) -> Vec<(Hold, String)> {
        self.budget.state().holds.unwritten()
    }

    /// Reads the holds that are in effect.
    async fn read(&self) -> Result<(), AwsError> {
        let at = Instant::now();
        let tags = match self.queue.tags().await {
            Ok(tags) => tags,
            Err(failure) => {
                if self.budget.is_new_trouble(UNREADABLE) {
                    warn!(error = %failure, "{UNREADABLE}");
                }
                return Err(failure);
            }
        };
        let changes = self.budget.read(Reading { at, tags });
        for hold in &changes.begun {
            error!(%hold, "a tag of the queue holds stops; `resume` lets them go on");
        }
        for hold in &changes.ended {
            info!(%hold, "a hold has ended; stops go on, and a new window begins");
        }
        self.budget.is_over(UNREADABLE);
        Ok(())
    }

    /// Sets the tag of a hold. Where that fails, it is tried again at the next reading.
    async fn write(&self, hold: &Hold, since: &str) {
        let written = self.queue.tag(&hold.to_string(), since).await;
        match written {
            Ok(()) => {
                self.budget.state().holds.written(hold);
                self.budget.is_over(UNWRITABLE);
            }
            Err(failure) => {
                if self.budget.is_new_trouble(UNWRITABLE) {
                    warn!(error = %failure, %hold, "{UNWRITABLE}");
                }
            }
        }
    }

    /// Holds the stops of an account and region whose budget is used up, and sets the tag that says
    /// so to others. Returns the hold; `None` if stops are held already.
    pub(crate) async fn trip(&self, target: &TargetBudget, now: UtcDateTime) -> Option<Hold> {
        let since = now.truncate_to_second().format(&Rfc3339).unwrap_or_default();
        let hold = {
            let mut state = self.budget.state();
            if state.holds.hold(target.target()) {
                return None;
            }
            state.holds.trip(target.target(), since.clone())
        };
        self.budget.changed.notify_waiters();
        self.write(&hold, &since).await;
        Some(hold)
    }
}
