//! What is to be done with a batch whose stop EC2 refused.
//!
//! EC2 refuses a whole call for one bad instance. So the instances that its message names are tried
//! apart, and without names the batch is halved until the bad one stands alone. Only an error about
//! one instance tells something about that instance.

use super::Enforcer;
use super::batch::{History, StopBatch};
use crate::aws::error::{AwsError, Class};
use crate::domain::outcome::Refusal;
use crate::retry::attempts::GaveUp;

/// Why a message is retried, in the log.
const STOP_REFUSED: &str = "stop_refused";

/// What an error about one instance means for it.
#[derive(Debug, PartialEq, Eq)]
enum Blame {
    /// It cannot be stopped.
    Refuse(Refusal),
    /// EC2 does not know it.
    Absent,
    /// Its state has changed since the look.
    LookAgain,
    /// Nobody knows: another time.
    Retry,
}

/// What a denial means for a batch.
#[derive(Debug, PartialEq, Eq)]
enum Denial {
    /// The role may not stop this instance.
    Refuse,
    /// A tag may have been set between the look and the stop: IAM's guard denies that too.
    LookAgain,
    /// One of several instances may be guarded.
    Halve,
    /// The role may be broken: wait until it is repaired, or the time for that is over.
    Park,
}

impl Enforcer {
    /// Splits a refused batch, or ends it if it is about one instance; gives what is left to do.
    pub(super) fn refused(&self, batch: StopBatch, error: &AwsError) -> Vec<StopBatch> {
        if !batch.is_single() {
            return batch.split_by_name(&error.message).into();
        }
        match blame(error.class, &batch) {
            Blame::Refuse(refusal) => self.refuse(batch, refusal),
            Blame::Absent => {
                batch.deliveries.into_iter().for_each(|delivery| self.absent(delivery));
            }
            Blame::LookAgain => {
                let history = History { was_in_wrong_state: true, ..batch.history };
                return vec![StopBatch::unseen(batch.deliveries, history)];
            }
            Blame::Retry => self.exits.give_up(batch.deliveries, GaveUp::Retry, STOP_REFUSED),
        }
        Vec::new()
    }

    /// Does what a denial of the stop means; gives what is left to do.
    pub(super) fn denied(&self, batch: StopBatch) -> Vec<StopBatch> {
        let is_decided = self.is_role_sound() || self.is_overdue(&batch.history);
        let denial = denial(&batch, is_decided);
        let batch = StopBatch { history: History { was_denied: true, ..batch.history }, ..batch };
        match denial {
            Denial::Refuse => self.refuse(batch, Refusal::AccessDenied),
            Denial::LookAgain => return vec![batch.look_again()],
            Denial::Halve => return batch.halves().into(),
            Denial::Park => self.park(batch),
        }
        Vec::new()
    }
}

/// Decides what an error about the one instance of a batch means.
fn blame(class: Class, batch: &StopBatch) -> Blame {
    match class {
        Class::StopProtected => Blame::Refuse(Refusal::StopProtection),
        Class::Unsupported if batch.is_spot => Blame::Refuse(Refusal::OneTimeSpot),
        Class::Unsupported => Blame::Refuse(Refusal::Unsupported),
        Class::NotFound => Blame::Absent,
        Class::IncorrectState if !batch.history.was_in_wrong_state => Blame::LookAgain,
        _ => Blame::Retry,
    }
}

/// Decides what a denial means. `is_decided` says that it is no matter of a broken role: the role
/// stopped something not long ago, or has had its time to be repaired.
fn denial(batch: &StopBatch, is_decided: bool) -> Denial {
    match (is_decided, batch.is_single(), batch.history.was_denied) {
        (false, _, _) => Denial::Park,
        (true, false, _) => Denial::Halve,
        (true, true, false) => Denial::LookAgain,
        (true, true, true) => Denial::Refuse,
    }
}
