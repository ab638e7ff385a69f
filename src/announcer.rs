//! Publishes the notices that outcomes call for, and only then lets their messages go.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::aws::error::{Class, Failure};
use crate::aws::sns::{Dress, PUBLISH_LIMIT, Topic};
use crate::contain::Containment;
use crate::delivery::Delivery;
use crate::desk::Desk;
use crate::line::Line;
use crate::notice::Notice;
use crate::outcome::Outcome;
use crate::pause::{Attempts, Gate, Operation};

/// A publish so recent shows that the topic is sound, and that one notice is at fault.
const PROOF: Duration = Duration::from_mins(10);

/// Everything that the announcers share.
#[derive(Debug)]
pub struct Announcer {
    /// Where notices go.
    pub topic: Topic,
    /// What is known of SNS.
    pub gate: Arc<Gate>,
    /// The way out.
    pub desk: Arc<Desk>,
    /// What keeps a panic to its batch.
    pub containment: Arc<Containment>,
}

struct Due {
    delivery: Delivery,
    outcome: Outcome,
    notice: Notice,
}

impl Announcer {
    /// Publishes until the line is closed and empty.
    pub async fn run(self: Arc<Self>, line: Line<(Delivery, Outcome)>) {
        loop {
            let batch = line.take(PUBLISH_LIMIT).await;
            if batch.is_empty() {
                return;
            }
            self.containment.run("announcer", Box::pin(self.work(batch))).await;
        }
    }

    async fn work(&self, batch: Vec<(Delivery, Outcome)>) {
        self.announce(self.notices(batch)).await;
    }

    fn notices(&self, batch: Vec<(Delivery, Outcome)>) -> Vec<Due> {
        let mut due = Vec::with_capacity(batch.len());
        for (delivery, outcome) in batch {
            match Notice::of(&delivery.change.key, outcome) {
                Some(notice) => due.push(Due { delivery, outcome, notice }),
                None => self.desk.conclude(delivery, outcome),
            }
        }
        due
    }

    async fn announce(&self, mut due: Vec<Due>) {
        let mut attempts = self.gate.step(Operation::Publish);
        let mut dress = Dress::Full;
        while !due.is_empty() {
            if let Err(ended) = attempts.turn().await {
                for Due { delivery, .. } in due {
                    self.desk.end(delivery, ended, "cannot publish the notice");
                }
                return;
            }
            let notices: Vec<_> = due.iter().map(|due| due.notice.clone()).collect();
            let failure = match self.topic.publish(&notices, dress).await {
                Ok(results) => {
                    let accepted = results.iter().any(Result::is_ok);
                    let (refused, failure) = self.let_go(due, results);
                    due = refused;
                    if accepted {
                        attempts.succeeded();
                    }
                    failure
                }
                Err(failure) => Some(failure),
            };
            let Some(failure) = failure else { continue };
            warn!(error = %failure, notices = due.len(), "cannot publish notices");
            if failure.class == Class::Invalid {
                (due, dress) = self.invalid(due, dress, &failure, &mut attempts);
            } else {
                attempts.failed(&failure);
            }
        }
    }

    /// Lets go of what SNS accepted; the rest comes back with the last failure among it.
    fn let_go(
        &self,
        due: Vec<Due>,
        results: Vec<Result<(), Failure>>,
    ) -> (Vec<Due>, Option<Failure>) {
        let mut refused = Vec::new();
        let mut last = None;
        for (due, result) in due.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    due.delivery.claim.announced();
                    self.desk.conclude(due.delivery, due.outcome);
                }
                Err(failure) => {
                    refused.push(due);
                    last = Some(failure);
                }
            }
        }
        (refused, last)
    }

    /// SNS calls a notice invalid: once more in plain, then it is either the notice's fault, and
    /// its message goes the way to the dead-letter queue, or the topic's.
    fn invalid(
        &self,
        due: Vec<Due>,
        dress: Dress,
        failure: &Failure,
        attempts: &mut Attempts<'_>,
    ) -> (Vec<Due>, Dress) {
        if dress == Dress::Full {
            return (due, Dress::Plain);
        }
        if !self.gate.succeeded_within(&Operation::Publish, PROOF) {
            attempts.failed(&Failure { class: Class::Gone, ..failure.clone() });
            return (due, Dress::Full);
        }
        for Due { delivery, .. } in due {
            self.desk.give_back(delivery, "SNS calls the notice invalid", None);
        }
        (Vec::new(), Dress::Full)
    }
}
