//! Contains a panic in one batch: the task goes on, and the batch's messages return.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use tokio::time::Instant;
use tracing::error;

use crate::runtime::tasks::cause;
use crate::telemetry::metrics::Metrics;

/// Contains panics, and counts them.
#[derive(Debug, Default)]
pub struct PanicGuard {
    panics: AtomicU64,
    metrics: Arc<Metrics>,
}

impl PanicGuard {
    /// Counts in these metrics too.
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        Self { panics: AtomicU64::new(0), metrics: Arc::clone(metrics) }
    }

    /// Works on one batch of so many messages to its end. After a panic everything that the work owned has been
    /// dropped, and a lease that is dropped unsettled returns its message.
    pub async fn run(
        &self,
        task: &'static str,
        messages: usize,
        mut work: Pin<Box<impl Future<Output = ()>>>,
    ) {
        let began = Instant::now();
        let ended = poll_fn(|context| {
            match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        });
        let ended = ended.await;
        self.metrics.worked(task, messages, began.elapsed());
        let Err(panic) = ended else { return };
        self.metrics.panicked();
        let panics = self.panics.fetch_add(1, Ordering::Relaxed) + 1;
        error!(
            task,
            cause = cause(&*panic),
            panics,
            "a batch panicked; its messages return. This is a bug: please report it"
        );
    }

    /// How many panics there were.
    pub fn count(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_contained_counted_and_drops_what_the_work_owned() {
        let panic_guard = PanicGuard::default();
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
        let panic_guard = PanicGuard::default();
        panic_guard.run("evaluator", 1, Box::pin(async {})).await;
        assert_eq!(panic_guard.count(), 0);
    }

    #[test]
    fn the_cause_of_a_panic_is_its_message() {
        let panic = catch_unwind(|| panic!("{} is {}", "this", "wrong")).unwrap_err();
        assert_eq!(cause(&*panic), "this is wrong");
        let panic = catch_unwind(|| panic!("wrong")).unwrap_err();
        assert_eq!(cause(&*panic), "wrong");
    }
}
