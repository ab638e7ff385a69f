//! The task `denied_stops`: tries parked stops until each has succeeded or is refused.

use std::sync::Arc;

use tracing::warn;

use super::Enforcer;
use super::batch::StopBatch;
use super::denied::{Choice, DeniedStops};
use crate::pipeline::delivery::Delivery;
use crate::retry::attempts::GaveUp;

impl Enforcer {
    /// Tries parked stops until there are none, or until the drain begins: then hands them back.
    async fn retry_denied(self: Arc<Self>) {
        let denied_stops = &self.target.denied_stops;
        let mut intervals = DeniedStops::intervals();
        let need_not_wait = || {
            self.is_role_sound()
                || denied_stops.have_overdue(self.context.settings.policy.denial_timeout)
        };
        let drain = self.context.drain.clone();
        let mut next = async || denied_stops.until_next_try(&mut intervals, need_not_wait).await;
        while drain.run_until_cancelled(next()).await.is_some() {
            let batches = denied_stops.take(self.choice());
            self.warn_of_the_role();
            self.enforce("denied_stops", batches, &|| denied_stops.take(self.choice())).await;
            denied_stops.end_tries();
            if denied_stops.end_retrying() {
                return;
            }
        }
        self.exits.give_up(denied_stops.close(), GaveUp::HandBack, super::STOP_FAILS);
    }

    /// Which parked stops to try next.
    fn choice(&self) -> Choice {
        if self.is_role_sound() {
            Choice::Together { limit: self.batch_limit() }
        } else {
            Choice::Alone { overdue_after: self.context.settings.policy.denial_timeout }
        }
    }

    fn warn_of_the_role(&self) {
        warn!(
            region = %self.target.key.region,
            waiting = self.target.denied_stops.count(),
            refused_after_secs = self.context.settings.policy.denial_timeout.as_secs(),
            "the role may not stop these instances; grant ec2:StopInstances"
        );
    }

    /// Whether a batch is parked without being tried: others are parked, the role is not known to
    /// work, and this batch has not been parked before.
    pub(super) fn must_park(&self, batch: &StopBatch) -> bool {
        batch.history.denied_since.is_none()
            && self.target.denied_stops.are_parked()
            && !self.is_role_sound()
    }

    /// Whether a batch that was taken out of the queue is parked again without being tried, because
    /// another one was denied again a moment ago.
    pub(super) fn stays_parked(&self, batch: &StopBatch) -> bool {
        batch.history.denied_since.is_some()
            && self.target.denied_stops.were_denied_again()
            && !self.is_overdue(&batch.history)
            && !self.is_role_sound()
    }

    /// Parks a batch, or hands it back if the drain has begun. The sweep that found an instance of it
    /// goes on with the next one: a stop that succeeds shows that the role works.
    pub(super) fn park(self: &Arc<Self>, batch: StopBatch) {
        let deliveries = batch.deliveries.into_iter().map(Delivery::parked).collect();
        let batch = StopBatch { deliveries, ..batch };
        let unparked = self.target.denied_stops.park(batch);
        if self.target.denied_stops.begin_retrying() {
            self.tasks.spawn("denied_stops", Arc::clone(self).retry_denied());
        }
        self.exits.give_up(unparked, GaveUp::HandBack, super::STOP_FAILS);
    }
}
