//! Makes hidden messages visible when their hold has ended, a few at a time: if stops are held again
//! soon, few of them were received in vain.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::Budget;
use crate::aws::entries::Entries;
use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::aws::sqs::{BATCH_LIMIT, Queue, Receipt};
use crate::pipeline::context::Context;
use crate::retry::attempts::Attempts;
use crate::retry::delays;
use crate::runtime::liveness;

/// The task that makes messages visible.
#[derive(Debug)]
pub(crate) struct Release {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// The queue that the messages are in.
    pub(crate) queue: Queue,
    /// Knows which stops are held, and which messages are hidden because of it.
    pub(crate) budget: Arc<Budget>,
}

impl Release {
    /// Makes messages visible each time that a hold has ended, until the drain begins: what is
    /// hidden then stays hidden.
    pub(crate) async fn run(self) {
        let mut attempts = self.context.breakers.persist(Operation::ChangeVisibility);
        loop {
            liveness::idle();
            self.budget.ended.notified().await;
            let mut released = 0;
            while !self.context.drain.is_cancelled()
                && let Some(messages) = self.release_some(&mut attempts).await
            {
                released += messages;
                liveness::within(delays::RELEASE_PACE);
                tokio::time::sleep(delays::RELEASE_PACE).await;
            }
            info!(messages = released, "made messages visible that were on hold");
        }
    }

    /// Makes up to ten messages visible whose stops are held no longer. Returns how many are;
    /// `None` if there are none left, or the daemon drains.
    async fn release_some(&self, attempts: &mut Attempts) -> Option<usize> {
        let attempt = attempts.ready().await.ok()?;
        let is_free = |target: &_| !self.budget.holds_back(target);
        let (target, receipts) = self.budget.on_hold.take(BATCH_LIMIT, is_free)?;
        let entries: Vec<_> =
            receipts.iter().map(|(receipt, _)| (receipt.clone(), Duration::ZERO)).collect();
        let answer = match self.queue.change_visibility(&entries).await {
            Ok(results) => Answer::of(receipts, results),
            Err(error) => Answer { visible: 0, left: receipts, error: Some(error) },
        };
        match &answer.error {
            None => attempt.succeeded(),
            Some(error) => {
                let messages = answer.left.len();
                warn!(%error, messages, "cannot make messages visible yet");
                if answer.visible > 0 {
                    attempt.failed_in_part(error);
                } else {
                    attempt.failed(error);
                }
            }
        }
        if !answer.left.is_empty() {
            self.budget.on_hold.put_back(target, answer.left);
        }
        Some(answer.visible)
    }
}

/// The results of one call to SQS.
struct Answer {
    /// How many messages are visible now.
    visible: usize,
    /// Those that are to be tried again.
    left: Vec<(Receipt, Instant)>,
    /// Why.
    error: Option<AwsError>,
}

impl Answer {
    /// The results of a call that succeeded as a whole. What lost its lease is visible already, or was
    /// received again.
    fn of(receipts: Vec<(Receipt, Instant)>, results: Entries) -> Self {
        let mut answer = Self { visible: 0, left: Vec::new(), error: None };
        for (receipt, result) in receipts.into_iter().zip(results) {
            match result {
                Ok(()) => answer.visible += 1,
                Err(error) if error.class == Class::LeaseLost => {}
                Err(error) => {
                    answer.left.push(receipt);
                    answer.error = Some(error);
                }
            }
        }
        answer
    }
}
