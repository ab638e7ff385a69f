//! The StopInstances call: the only place in the program that acts on an instance.

use std::sync::Arc;

use tracing::{info, warn};

use super::batch::StopBatch;
use super::{Enforcer, StopTurn};
use crate::aws::ec2::Stopped;
use crate::aws::error::{AwsError, Class, table};
use crate::domain::audit::stop::{StopLine, StoppedInstance};
use crate::domain::ids::InstanceId;
use crate::domain::outcome::Outcome;
use crate::domain::policy::mode::Mode;
use crate::pipeline::budget::Places;
use crate::pipeline::delivery::Delivery;
use crate::rate_limit::stop_window::CallEnd;
use crate::retry::attempts::Attempt;

impl Enforcer {
    /// Stops a batch whose instances were seen without the tag at most 5 s ago. Returns the
    /// batches that are left to stop. Without a look there is no stop.
    /// Each instance has a place in the budget until the call has ended.
    pub(super) async fn stop(
        self: &Arc<Self>,
        mut batch: StopBatch,
        places: Places,
        turn: StopTurn<'_>,
    ) -> Vec<StopBatch> {
        let Some(until) = batch.fresh_until() else { return vec![batch] };
        batch.deliveries.iter_mut().for_each(Delivery::stop_is_sent);
        let answer = self.target.instances.stop(&batch.ids(), until).await;
        let is_alone = batch.is_single();
        places.end(|launch| call_end(&answer, &launch.instance, is_alone));
        self.target.rate_limits.stopped(batch.permit.take(), answer.as_ref().err());
        match answer {
            Ok(stopped) => {
                self.log(&stopped);
                self.record(&stopped, &batch);
                self.stopped(batch, &stopped, turn)
            }
            Err(error) => {
                let instances = batch.ids().len();
                warn!(%error, instances, "cannot stop instances");
                if error.class != Class::Unknown {
                    batch.deliveries.iter_mut().for_each(Delivery::was_not_stopped);
                }
                self.failed(batch, &error, turn.attempt)
            }
        }
    }

    /// Writes a line for each instance at once: its notice, and with that its decision line, may
    /// have to wait for SNS.
    fn log(&self, stopped: &Stopped) {
        let key = &self.target.key;
        for (id, previous_state) in &stopped.previous_states {
            info!(
                instance.id = %id,
                account = %key.account,
                region = %key.region,
                previous_state,
                request.id = stopped.request_id,
                "EC2 accepted the stop"
            );
        }
    }

    /// Adds the answer to the audit trail, by which the stop can be undone.
    fn record(&self, stopped: &Stopped, batch: &StopBatch) {
        let audit = self.exits.settlements.audit();
        if !audit.is_on() {
            return;
        }
        let key = &self.target.key;
        let instances = stopped.previous_states.iter().filter_map(|(id, previous_state)| {
            let delivery = batch.deliveries.iter().find(|delivery| delivery.instance() == id)?;
            Some(stopped_instance(delivery, previous_state))
        });
        audit.add(&StopLine {
            time: audit.now(),
            account: key.account.to_string(),
            region: key.region.to_string(),
            request_id: stopped.request_id.clone(),
            instances: instances.collect(),
        });
    }

    /// Announces the stops of the instances that EC2's answer names. Returns the others, which must
    /// be looked at again.
    fn stopped(&self, batch: StopBatch, stopped: &Stopped, turn: StopTurn<'_>) -> Vec<StopBatch> {
        let is_named =
            |delivery: &Delivery| stopped.previous_states.contains_key(delivery.instance());
        let (done, rest): (Vec<_>, Vec<_>) = batch.deliveries.into_iter().partition(is_named);
        let rest = StopBatch::unseen(rest, batch.history).was_sent();
        if done.is_empty() {
            let message = "the answer mentions none of the instances";
            let error = AwsError::of(&table::UNANSWERED, message);
            return self.after_failure(rest, &error, turn.attempt.failed(&error));
        }
        turn.attempt.succeeded();
        self.watch_for_loops(&done, stopped);
        for delivery in done {
            self.exits.announce(delivery.stopped_by(turn.trial.clone()), Outcome::Stopped);
        }
        rest.unless_empty()
    }

    /// Decides by the class of an error what is to be done. Returns the batches that are left to
    /// stop.
    fn failed(
        self: &Arc<Self>,
        batch: StopBatch,
        error: &AwsError,
        attempt: Attempt<'_>,
    ) -> Vec<StopBatch> {
        match error.class {
            // The rate limit makes the next stop wait.
            Class::Throttled => vec![batch],
            Class::Credentials | Class::Gone => {
                let next = attempt.failed(error);
                self.after_failure(batch, error, next)
            }
            Class::Transient | Class::Unknown => {
                let next = attempt.failed_for(error, batch.ids().len());
                // Without an answer EC2 may have stopped them: only another look can tell.
                let may_be_done = error.class == Class::Unknown;
                let batch = if may_be_done { batch.was_sent().look_again() } else { batch };
                self.after_failure(batch, error, next)
            }
            Class::Denied => {
                attempt.answered();
                self.denied(batch)
            }
            Class::Invalid => {
                // The code is not in the error table: it may be about one instance, or about all.
                let next = attempt.failed(error);
                if batch.is_single() {
                    return self.after_failure(batch, error, next);
                }
                self.refused(batch, error)
            }
            _ => {
                attempt.answered();
                self.refused(batch, error)
            }
        }
    }
}

/// What the audit trail says of an instance that was stopped.
fn stopped_instance(delivery: &Delivery, previous_state: &str) -> StoppedInstance {
    let denials = delivery.decision.iter().flat_map(|decision| &decision.denials);
    let enforced = denials.filter(|rule| rule.mode == Mode::Enforce);
    StoppedInstance {
        instance: delivery.instance().to_string(),
        previous_state: previous_state.to_owned(),
        launch_time: delivery.second_look.as_ref().and_then(|shown| shown.facts.launched()),
        policies: enforced.map(|rule| rule.id.clone()).collect(),
        message: delivery.arrival().message_id.as_deref().map(str::to_owned),
    }
}

/// What an answer says of an instance that was to be stopped, alone or with others. An error of
/// EC2's about one instance says nothing of the others: some may have been stopped.
fn call_end(answer: &Result<Stopped, AwsError>, instance: &InstanceId, is_alone: bool) -> CallEnd {
    match answer {
        Ok(stopped) => match stopped.previous_states.get(instance).map(String::as_str) {
            Some("stopping" | "stopped") => CallEnd::NotByThisCall,
            Some(_) => CallEnd::Stopped,
            None => CallEnd::Unknown,
        },
        Err(error) => match error.class {
            Class::Throttled | Class::Credentials | Class::Gone => CallEnd::NotByThisCall,
            Class::Transient | Class::Unknown => CallEnd::Unknown,
            Class::Denied => CallEnd::Refused,
            _ if is_alone => CallEnd::Refused,
            _ => CallEnd::RefusedForSome,
        },
    }
}
