//! Trials: an owner who cannot be told is not to be surprised. So while it is unknown whether SNS
//! accepts notices, few instances are stopped.
//!
//! - While PublishBatch is paused, no stop begins.
//! - If no notice was accepted within the last minute, as after the start, or the last one was not,
//!   the next stop of a target is a trial: at most ten instances are stopped, and the other stops
//!   of the target wait until these are announced.
//!
//! With a wrong topic, for example, ten instances are stopped in each region. The other violators
//! wait until the topic is repaired.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::aws::operation::Operation;
use crate::aws::sns::PUBLISH_LIMIT;
use crate::retry::breaker::Breakers;
use crate::retry::delays;
use crate::runtime::liveness;

/// The most instances that a trial stops: their notices fit into one call.
pub(crate) const TRIAL_LIMIT: usize = PUBLISH_LIMIT;

/// The trials of a target, of which there is one at a time.
#[derive(Debug)]
pub(crate) struct Trials(Arc<Semaphore>);

/// A trial. It ends when its last clone is dropped: the delivery of each instance that it stopped
/// has one, until SNS has accepted the notice or the message is retried.
#[derive(Clone, Debug)]
pub(crate) struct Trial(#[expect(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

impl Default for Trials {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Trials {
    /// Waits until a stop may begin: while PublishBatch is paused and, unless a notice was accepted
    /// a short time ago, while another trial lasts. Returns the trial, if the stop has to be one.
    pub(crate) async fn until_stop_may_begin(&self, breakers: &Breakers) -> Option<Trial> {
        loop {
            liveness::idle();
            breakers.until_open(&Operation::Publish).await;
            if is_proven(breakers) {
                return None;
            }
            let Some(trial) = self.next(breakers).await else { continue };
            // Another trial may have shown meanwhile that SNS accepts notices.
            return (!is_proven(breakers)).then_some(trial);
        }
    }

    /// Waits for the end of the present trial; `None` if it is time to look again whether owners
    /// can be told: PublishBatch is paused, or other notices may have been accepted.
    async fn next(&self, breakers: &Breakers) -> Option<Trial> {
        tokio::select! {
            biased;
            () = breakers.until_paused(&Operation::Publish) => None,
            () = tokio::time::sleep(delays::TRIAL_RECHECK) => None,
            permit = Arc::clone(&self.0).acquire_owned() => Some(Trial(Arc::new(permit.ok()?))),
        }
    }
}

/// Whether SNS accepted a notice a short time ago, and has refused none since.
fn is_proven(breakers: &Breakers) -> bool {
    breakers.succeeded_within(&Operation::Publish, delays::NOTICE_PROOF)
        && !breakers.is_failing(&Operation::Publish)
}
