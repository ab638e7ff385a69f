//! Catches panics, so that each affects only the batch in which it was raised: the messages of the
//! batch are retried, and the task goes on with the next batch.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::error;

use crate::runtime::tasks::panic_message;
use crate::telemetry::metrics::Metrics;

/// A stage whose last so many batches panicked is not ready. Fewer may be due to one message.
const TOO_MANY: u32 = 3;

/// Catches panics, and counts them.
#[derive(Debug)]
pub(crate) struct PanicGuard {
    /// How many panics there were since the start.
    panics: AtomicU64,
    /// How many of the last batches of each task panicked, one after the other.
    in_a_row: Mutex<BTreeMap<&'static str, u32>>,
    metrics: Arc<Metrics>,
}

impl PanicGuard {
    /// A guard that counts panics in these metrics, too.
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        let (panics, in_a_row) = (AtomicU64::new(0), Mutex::default());
        Self { panics, in_a_row, metrics: Arc::clone(metrics) }
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
        let Err(panic) = ended else {
            self.in_a_row().remove(task);
            return;
        };
        *self.in_a_row().entry(task).or_default() += 1;
        self.metrics.count_panic();
        let panics = self.panics.fetch_add(1, Ordering::Relaxed) + 1;
        error!(
            task,
            cause = panic_message(&*panic),
            panics,
            "a batch panicked; its messages are retried. This is a bug: please report it"
        );
    }

    /// Which tasks do nothing but panic, in words. A batch that ends without a panic clears its
    /// task.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let told = |(task, count): (&&'static str, &u32)| {
            (*count >= TOO_MANY).then(|| format!("panicking: the last {count} batches of {task}"))
        };
        self.in_a_row().iter().filter_map(told).collect()
    }

    fn in_a_row(&self) -> MutexGuard<'_, BTreeMap<&'static str, u32>> {
        self.in_a_row.lock().unwrap_or_else(PoisonError::into_inner)
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
