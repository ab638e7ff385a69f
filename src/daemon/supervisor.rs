//! Holds the running tasks, and ends them in the order of the drain.
//!
//! A stage ends by itself once its channel is closed and empty, and the channel closes when the
//! stages before it have ended. So the drain only waits: first for the stages, then for the
//! settlers. What is held when `drain.timeout_secs` has passed is handed back in the last round.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::aws::error::{AwsError, Class};
use crate::aws::sqs::{BATCH_LIMIT, Queue};
use crate::daemon::exit::Drained;
use crate::inflight::lease::Leases;
use crate::pipeline::audit::Audit;
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
    /// The pollers, the tasks of the targets, and the notifiers.
    pub(super) stages: Tasks,
    /// `reclaim`, which sends messages that were dropped unsettled to the settlers. It never ends
    /// by itself.
    pub(super) reclaimer: Tasks,
    /// The settlers, which end when the stages and the reclaimer have ended.
    pub(super) settlers: Tasks,
    /// `lease_renewal` and `watch`, which go on until the last message is settled.
    pub(super) background: Tasks,
    /// The queue to which the last round hands messages back.
    pub(super) queue: Queue,
    /// The leases of the messages that are held.
    pub(super) leases: Arc<Leases>,
    /// How many messages were deleted, handed back, and so on.
    pub(super) counts: Arc<Counts>,
    /// The audit trail, whose lines a task of the background writes.
    pub(super) audit: Audit,
}

impl Supervisor {
    /// Waits until a task ends. Before the drain none should: without its pollers, for example, the
    /// daemon would look healthy and do nothing.
    pub(super) async fn early_end(&mut self) -> TaskEnd {
        let end = tokio::select! {
            biased;
            end = self.stages.join_next() => end,
            end = self.settlers.join_next() => end,
            end = join_next_of(&mut self.background, &mut self.reclaimer) => end,
        };
        end.unwrap_or(TaskEnd { name: "unknown", panic: None })
    }

    /// Waits until the tasks have ended one after the other, for `timeout` at most, and hands back
    /// what is still held. Returns the first task that panicked, too.
    pub(super) async fn drain(
        mut self,
        timeout: Duration,
        shutdown: &Shutdown,
    ) -> (Drained, Option<TaskEnd>) {
        self.counts.begin_drain();
        info!(timeout_secs = timeout.as_secs(), "draining");
        let in_time = tokio::time::timeout(timeout, self.join_in_order());
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
        let polls_cut_off = self.stages.count("poller");
        let Self { stages, reclaimer, settlers, background, audit, .. } = &mut self;
        for tasks in [stages, reclaimer, settlers] {
            tasks.abort().await;
        }
        // What was stopped and not announced has a line, too.
        audit.flush(delays::AUDIT_FLUSH).await;
        log_lost_lines(audit.unwritten());
        background.abort().await;
        let held = self.last_round(shutdown).await;
        let drained = Drained { counts: self.counts.of_drain(), held, polls_cut_off };
        drained.log(self.context.panic_guard.count());
        (drained, panicked)
    }

    /// Waits for the stages, and then for the settlers, whose channels close when the reclaimer is
    /// gone too. Returns the first task that panicked.
    async fn join_in_order(&mut self) -> Option<TaskEnd> {
        let stage = self.stages.join_all().await;
        self.reclaimer.abort().await;
        let settler = self.settlers.join_all().await;
        stage.or(settler)
    }

    /// Hands back all messages that are still held, all at the same time and without retries.
    /// Returns how many stay held.
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
                // It is settled already, or was received by another process.
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

/// Says that the audit trail lacks lines. Messages without theirs are handed back, but what was stopped
/// stays so.
fn log_lost_lines(lines: u64) {
    if lines > 0 {
        error!(
            lines,
            "the audit trail lacks its last lines, so that undo does not know these stops; the lines \
             `EC2 accepted the stop` of this log name them"
        );
    }
}

/// Whether SQS refused a receipt because this process holds the message no longer.
fn is_lost(result: &Result<(), AwsError>) -> bool {
    result.as_ref().is_err_and(|failure| failure.class == Class::LeaseLost)
}

/// Waits until a task of either set ends.
async fn join_next_of(one: &mut Tasks, other: &mut Tasks) -> Option<TaskEnd> {
    tokio::select! {
        biased;
        end = one.join_next() => end,
        end = other.join_next() => end,
    }
}
