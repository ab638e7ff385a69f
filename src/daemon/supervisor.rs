//! The running tasks, and the order in which the drain ends them.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::aws::error::{AwsError, Class};
use crate::aws::sqs::{BATCH_LIMIT, Queue};
use crate::daemon::exit::Drained;
use crate::inflight::lease::Leases;
use crate::pipeline::context::Context;
use crate::pipeline::settle::counts::Counts;
use crate::retry::delays;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::tasks::{TaskEnd, Tasks};

/// The running tasks, in the order in which the drain ends them. Dropped, it aborts them.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// What all stages share.
    pub(super) context: Arc<Context>,
    /// Pollers, the tasks of the targets, and notifiers: each ends when the one before it has.
    pub(super) line: Tasks,
    /// Brings messages that were dropped unsettled to the settlers.
    pub(super) reclaimer: Tasks,
    /// Settles the messages that come from all of them.
    pub(super) settlers: Tasks,
    /// Renews leases, and watches the tasks, until the last message is settled.
    pub(super) keepers: Tasks,
    /// Where messages are handed back in the last round.
    pub(super) queue: Queue,
    /// The messages that are held.
    pub(super) leases: Arc<Leases>,
    /// Where the messages went.
    pub(super) counts: Arc<Counts>,
}

impl Supervisor {
    /// Waits for a task that ends before the drain: without it the daemon would look healthy and
    /// do nothing.
    pub(super) async fn early_end(&mut self) -> TaskEnd {
        let end = tokio::select! {
            biased;
            end = self.line.next() => end,
            end = self.settlers.next() => end,
            end = either(&mut self.keepers, &mut self.reclaimer) => end,
        };
        end.unwrap_or(TaskEnd { name: "unknown", panic: None })
    }

    /// Ends the tasks one after the other, as their lines close, and hands back what is left. A
    /// task that panics meanwhile comes back too.
    pub(super) async fn drain(
        mut self,
        timeout: Duration,
        shutdown: &Shutdown,
    ) -> (Drained, Option<TaskEnd>) {
        self.counts.begin_drain();
        info!(timeout_secs = timeout.as_secs(), "draining");
        let in_time = tokio::time::timeout(timeout, self.finish());
        let panicked = match shutdown.now.run_until_cancelled(in_time).await {
            Some(Ok(panicked)) => panicked,
            Some(Err(_)) => {
                warn!("the drain timeout has passed; handing back what is unfinished");
                None
            }
            None => {
                warn!("a second signal; ending at once");
                None
            }
        };
        for tasks in [&mut self.line, &mut self.reclaimer, &mut self.settlers, &mut self.keepers] {
            tasks.abort().await;
        }
        let held = self.last_round(shutdown).await;
        let drained = Drained { counts: self.counts.of_drain(), held };
        drained.log(self.context.panic_guard.count());
        (drained, panicked)
    }

    async fn finish(&mut self) -> Option<TaskEnd> {
        let line = self.line.all().await;
        self.reclaimer.abort().await;
        let settlers = self.settlers.all().await;
        line.or(settlers)
    }

    /// Hands everything back that is still held, in one round; counts what stays held.
    async fn last_round(&self, shutdown: &Shutdown) -> usize {
        let remaining = self.leases.remaining();
        let mut calls = JoinSet::new();
        for receipts in remaining.chunks(BATCH_LIMIT) {
            let entries: Vec<_> =
                receipts.iter().map(|receipt| (receipt.clone(), Duration::ZERO)).collect();
            let queue = self.queue.clone();
            calls.spawn(async move { queue.change_visibility(&entries).await });
        }
        let (mut handed_back, mut lost) = (0, 0);
        let round = async {
            while let Some(call) = calls.join_next().await {
                let Ok(Ok(results)) = call else { continue };
                handed_back += results.iter().filter(|result| result.is_ok()).count();
                // Settled in the meantime, or delivered again: not ours any more.
                lost += results.iter().filter(|result| is_lost(result)).count();
            }
        };
        let in_time = tokio::time::timeout(delays::LAST_ROUND, round);
        if !matches!(shutdown.now.run_until_cancelled(in_time).await, Some(Ok(()))) {
            warn!("the last round was cut off");
        }
        self.counts.handed_back(handed_back);
        remaining.len() - handed_back - lost
    }
}

fn is_lost(result: &Result<(), AwsError>) -> bool {
    result.as_ref().is_err_and(|failure| failure.class == Class::LeaseLost)
}

async fn either(one: &mut Tasks, other: &mut Tasks) -> Option<TaskEnd> {
    tokio::select! {
        biased;
        end = one.next() => end,
        end = other.next() => end,
    }
}
