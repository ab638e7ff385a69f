//! Publishes the notices that outcomes call for, and only then lets their messages go.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::aws::Entries;
use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::aws::sns::{Dress, PUBLISH_LIMIT, Topic};
use crate::domain::notice::Notice;
use crate::domain::outcome::Outcome;
use crate::pipeline::catch_panic::PanicGuard;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::settle::Settlements;
use crate::retry::attempts::Attempts;
use crate::retry::backoff::Intervals;
use crate::retry::breaker::Breakers;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::telemetry::metrics::Metrics;

/// A publish so recent shows that the topic is sound, and that one notice is at fault.
const PROOF: Duration = Duration::from_mins(10);

/// A publish without an answer may have reached everybody: the first wait until the next one. It
/// doubles up to [`LONGEST_DOUBT`], and one notice alone is tried until there is an answer.
const FIRST_DOUBT: Duration = Duration::from_secs(1);
const LONGEST_DOUBT: Duration = Duration::from_mins(5);

/// Everything that the notifiers share.
#[derive(Debug)]
pub struct Notifier {
    /// Where notices go.
    pub topic: Topic,
    /// What is known of SNS.
    pub breakers: Arc<Breakers>,
    /// The way out.
    pub settlements: Arc<Settlements>,
    /// What keeps a panic to its batch.
    pub panic_guard: Arc<PanicGuard>,
    /// Where notices are counted.
    pub metrics: Arc<Metrics>,
}

struct Due {
    delivery: Delivery,
    outcome: Outcome,
    notice: Notice,
    dress: Dress,
}

impl Notifier {
    /// Publishes until the line is closed and empty.
    pub async fn run(self: Arc<Self>, line: BatchReceiver<(Delivery, Outcome)>) {
        loop {
            let batch = line.take(PUBLISH_LIMIT).await;
            if batch.is_empty() {
                return;
            }
            self.panic_guard.run("notifier", batch.len(), Box::pin(self.work(batch))).await;
        }
    }

    async fn work(&self, batch: Vec<(Delivery, Outcome)>) {
        self.announce(self.notices(batch)).await;
    }

    fn notices(&self, batch: Vec<(Delivery, Outcome)>) -> Vec<Due> {
        let mut due = Vec::with_capacity(batch.len());
        for (delivery, outcome) in batch {
            match Notice::of(&delivery.change.key, outcome) {
                Some(notice) => due.push(Due { delivery, outcome, notice, dress: Dress::Full }),
                None => self.settlements.conclude(delivery, outcome),
            }
        }
        due
    }

    async fn announce(&self, mut due: Vec<Due>) {
        let mut attempts = self.breakers.step(Operation::Publish);
        let mut doubt: Option<Intervals> = None;
        while !due.is_empty() {
            if let Err(ended) = attempts.turn().await {
                for Due { delivery, .. } in due {
                    self.settlements.end(delivery, ended, "cannot publish the notice");
                }
                return;
            }
            let others = if doubt.is_some() { due.split_off(1) } else { Vec::new() };
            let results = self.publish(&due).await;
            let unanswered = results.iter().any(is_unanswered);
            due = self.sort_out(due, results, &mut attempts);
            due.extend(others);
            if unanswered {
                let intervals =
                    doubt.get_or_insert_with(|| Intervals::new(FIRST_DOUBT, LONGEST_DOUBT));
                attempts.put_off(intervals.advance());
            } else {
                doubt = None;
            }
        }
    }

    async fn publish(&self, due: &[Due]) -> Entries {
        let notices: Vec<_> = due.iter().map(|due| (&due.notice, due.dress)).collect();
        let results = self.topic.publish(&notices).await;
        results.unwrap_or_else(|failure| vec![Err(failure); due.len()])
    }

    /// Lets go of what SNS accepted; what is to be tried again comes back.
    fn sort_out(&self, due: Vec<Due>, results: Entries, attempts: &mut Attempts<'_>) -> Vec<Due> {
        if results.iter().any(Result::is_ok) {
            attempts.succeeded();
        }
        if let Some(failure) = results.iter().find_map(|result| result.as_ref().err()) {
            warn!(error = %failure, notices = results.len(), "cannot publish all notices");
        }
        let (mut again, mut cause) = (Vec::new(), None);
        for (due, result) in due.into_iter().zip(results) {
            match result {
                Ok(()) => self.accepted(due),
                Err(failure) if failure.class != Class::Invalid => {
                    again.push(due);
                    cause = Some(failure);
                }
                // Called invalid: once more with the plainest message.
                Err(_) if due.dress == Dress::Full => {
                    again.push(Due { dress: Dress::Plain, ..due });
                }
                // Then it is either the notice's fault, and its message goes the way to the
                // dead-letter queue, or the topic's.
                Err(_) if self.is_proven() => {
                    self.settlements.give_back(due.delivery, "SNS calls the notice invalid", None);
                }
                Err(failure) => {
                    again.push(Due { dress: Dress::Full, ..due });
                    cause = Some(AwsError { class: Class::Gone, ..failure });
                }
            }
        }
        if let Some(cause) = cause {
            attempts.failed(&cause);
        }
        again
    }

    fn accepted(&self, due: Due) {
        due.delivery.claim.announced();
        self.metrics.announced(due.outcome);
        self.settlements.conclude(due.delivery, due.outcome);
    }

    fn is_proven(&self) -> bool {
        self.breakers.succeeded_within(&Operation::Publish, PROOF)
    }
}

/// Whether nobody knows what became of it.
fn is_unanswered(result: &Result<(), AwsError>) -> bool {
    result.as_ref().is_err_and(|failure| failure.class == Class::Unknown)
}
