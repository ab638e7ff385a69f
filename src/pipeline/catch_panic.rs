//! Catches panics, so that each affects only the batch in which it was raised: the messages of the
//! batch are retried, and the task goes on with the next batch.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::error;

use crate::runtime::tasks::panic_message;
use crate::telemetry::metrics::Metrics;

/// Catches panics, and counts them.
#[derive(Debug)]
pub(crate) struct PanicGuard {
    /// How many panics there were since the start.
    panics: AtomicU64,
    metrics: Arc<Metrics>,
}

impl PanicGuard {
    /// A guard that counts panics in these metrics, too.
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        Self { panics: AtomicU64::new(0), metrics: Arc::clone(metrics) }
    }

    /// Runs the work of a task on a batch of so many messages, and measures it. A panic drops
    /// everything that the work owned; a lease that is dropped before its message is settled has
    /// the message retried.
    pub(crate) async fn run(
        &self,
        task: &'static str,
        messages: usize,
        work: Pin<Box<impl Future<Output = ()>>>,
    ) {
        let began = Instant::now();
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        self.metrics.measure_batch(task, messages, began.elapsed());
        let Err(panic) = ended else { return };
        self.metrics.count_panic();
        let panics = self.panics.fetch_add(1, Ordering::Relaxed) + 1;
        error!(
            task,
            cause = panic_message(&*panic),
            panics,
            "a batch panicked; its messages are retried. This is a bug: please report it"
        );
    }

    /// How many panics there were since the start.
    pub(crate) fn count(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_contained_counted_and_drops_what_the_work_owned() {
        let panic_guard = PanicGuard::new(&Arc::default());
        let owned = Arc::new(());
        let kept = Arc::downgrade(&owned);
        let work = async move {
            tokio::task::yield_now().await;
            assert!(Arc::strong_count(&owned) > 1, "it is owned once");
        };
        panic_guard.run("evaluator", 1, Box::pin(work)).await;
        assert_eq!(panic_guard.count(), 1);
        assert!(kept.upgrade().is_none());
    }

    #[tokio::test]
    async fn work_that_ends_is_no_panic() {
        let panic_guard = PanicGuard::new(&Arc::default());
        panic_guard.run("evaluator", 1, Box::pin(async {})).await;
        assert_eq!(panic_guard.count(), 0);
    }
}
