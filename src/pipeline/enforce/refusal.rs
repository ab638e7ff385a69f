//! Decides what is to be done with a batch whose stop EC2 refused.
//!
//! EC2 refuses a whole call for one bad instance. So the instances that its error message names are
//! tried apart from the others, and if it names none, the batch is halved until the bad instance is
//! alone: a batch of 100 takes about 14 more calls. Only then does the error say something about
//! that instance.

use std::sync::Arc;

use super::Enforcer;
use super::batch::{History, Kind, StopBatch};
use crate::aws::error::{AwsError, Class};
use crate::domain::outcome::Refusal;
use crate::domain::policy::verdict::NotYet;

/// The word for the log field `reason` of messages that are retried because EC2 refused the stop
/// for a reason that may pass.
const STOP_REFUSED: &str = "stop_refused";

/// What is to be done after an error about a single instance.
#[derive(Debug, PartialEq, Eq)]
enum AfterError {
    /// Tell the owner that the instance cannot be stopped.
    Refuse(Refusal),
    /// The instance cannot be stopped and may be stopped already, so that no notice would be sure
    /// to be true: retry the message.
    MayRun,
    /// EC2 does not know the instance: retry the message while it may turn up, or else end it.
    Unknown,
    /// Look at the instance again: its state has changed since the look.
    LookAgain,
    /// Retry the message: nothing else is known to help.
    Retry,
}

/// What is to be done after IAM denied a stop.
#[derive(Debug, PartialEq, Eq)]
enum AfterDenial {
    /// Tell the owner that the role may not stop this instance.
    Refuse,
    /// The instances may be stopped already, so that no notice would be sure to be true: retry
    /// their messages.
    MayRun,
    /// Look at the instance again: a tag may have been added between the look and the stop, and the
    /// guard in the role's policy denies stopping a tagged instance.
    LookAgain,
    /// Try the halves: one of several instances may be guarded.
    Halve,
    /// Park the batch until the role is repaired, or the time for that has passed: the role may be
    /// broken.
    Park,
}

impl Enforcer {
    /// Splits a batch that EC2 refused, or ends it if it is about a single instance. Returns the
    /// batches that are left to stop.
    pub(super) fn refused(&self, batch: StopBatch, error: &AwsError) -> Vec<StopBatch> {
        if !batch.is_single() {
            return batch.split_by_name(&error.message).into();
        }
        match after_error(error, &batch) {
            AfterError::Refuse(refusal) => self.refuse(batch, refusal),
            AfterError::MayRun => self.retry_all(batch),
            AfterError::Unknown => {
                for delivery in batch.deliveries {
                    self.retry_or_end_unknown(delivery);
                }
            }
            AfterError::LookAgain => {
                let history = History { was_in_wrong_state: true, ..batch.history };
                return vec![StopBatch::unseen(batch.deliveries, history)];
            }
            AfterError::Retry => {
                self.exits.ec2_keeps_failing(batch.deliveries, STOP_REFUSED, error);
            }
        }
        Vec::new()
    }

    /// Refuses, splits or parks a batch whose stop IAM denied. Returns the batches that are left to
    /// stop.
    pub(super) fn denied(self: &Arc<Self>, batch: StopBatch) -> Vec<StopBatch> {
        let need_not_wait = self.is_role_sound() || self.is_overdue(&batch.history);
        let next = after_denial(&batch, need_not_wait);
        let batch = StopBatch { history: History { was_denied: true, ..batch.history }, ..batch };
        match next {
            AfterDenial::Refuse => self.refuse(batch, Refusal::AccessDenied),
            AfterDenial::MayRun => self.retry_all(batch),
            AfterDenial::LookAgain => return vec![batch.look_again_when_tags_show()],
            AfterDenial::Halve => return batch.halves().into(),
            AfterDenial::Park => self.park(batch),
        }
        Vec::new()
    }

    /// Retries the messages of a batch that may run.
    fn retry_all(&self, batch: StopBatch) {
        for delivery in batch.deliveries {
            self.retry(delivery, NotYet::MayRun);
        }
    }
}

/// Decides what to do after an error about the only instance of a batch.
fn after_error(error: &AwsError, batch: &StopBatch) -> AfterError {
    match error.class {
        Class::NotPermitted | Class::Unsupported if batch.kind == Kind::SeenStopped => {
            AfterError::MayRun
        }
        Class::NotPermitted | Class::Unsupported => AfterError::Refuse(why(error, batch.kind)),
        Class::NotFound => AfterError::Unknown,
        Class::IncorrectState if !batch.history.was_in_wrong_state => AfterError::LookAgain,
        _ => AfterError::Retry,
    }
}

/// Why EC2 refuses to stop an instance. A code has several causes, which only the message tells
/// apart.
fn why(error: &AwsError, kind: Kind) -> Refusal {
    let message = error.message.to_ascii_lowercase();
    match (error.class, kind) {
        (Class::NotPermitted, _) if message.contains("disableapistop") => Refusal::StopProtection,
        (Class::NotPermitted, _) => Refusal::NotPermitted,
        _ if message.contains("'ebs' root device") => Refusal::InstanceStore,
        (_, Kind::Spot) if message.contains("one-time") => Refusal::OneTimeSpot,
        (_, Kind::Spot) => Refusal::UnstoppableSpot,
        _ => Refusal::Unsupported,
    }
}

/// Decides what to do after a denial. `need_not_wait` says that it makes no sense to wait for the
/// role to be repaired: it stopped an instance not long ago, so that it works, or it has not been
/// repaired within `policy.denial_timeout_secs`.
fn after_denial(batch: &StopBatch, need_not_wait: bool) -> AfterDenial {
    match (need_not_wait, batch.is_single(), batch.history.was_denied) {
        (true, false, _) => AfterDenial::Halve,
        _ if batch.kind == Kind::SeenStopped => AfterDenial::MayRun,
        (false, _, _) => AfterDenial::Park,
        (true, true, false) => AfterDenial::LookAgain,
        (true, true, true) => AfterDenial::Refuse,
    }
}
