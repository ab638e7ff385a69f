//! Tasks that come and go: each is started by another one, and ends by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::error;

use crate::runtime::liveness::Liveness;
use crate::runtime::tasks::{TaskEnd, Tasks};

/// Tasks that are started as they are needed. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    tasks: Arc<Mutex<Tasks>>,
    liveness: Arc<Liveness>,
}

impl Pool {
    /// An empty pool whose tasks will be watched by `liveness`.
    pub(crate) fn watched_by(liveness: &Arc<Liveness>) -> Self {
        let tasks = Arc::new(Mutex::new(Tasks::watched_by(liveness)));
        Self { tasks, liveness: Arc::clone(liveness) }
    }

    /// Starts a task. Several may have the same name.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut tasks = self.tasks();
        while let Some(end) = tasks.try_join_next() {
            log_panic(&end);
        }
        tasks.spawn(name, task);
    }

    /// Waits until all tasks have ended, those that others start meanwhile included.
    pub(crate) async fn join_all(&self) {
        loop {
            let empty = Tasks::watched_by(&self.liveness);
            let mut tasks = std::mem::replace(&mut *self.tasks(), empty);
            if tasks.is_empty() {
                return;
            }
            while let Some(end) = tasks.join_next().await {
                log_panic(&end);
            }
        }
    }

    /// Aborts all tasks.
    pub(crate) fn abort_all(&self) {
        self.tasks().abort_all();
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that a task panicked outside of a batch, whose panics are caught. What it held is handed
/// back, and the next work starts another one.
fn log_panic(TaskEnd { name, panic }: &TaskEnd) {
    if let Some(panic) = panic {
        error!(task = name, panic, "a task panicked");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tasks_that_tasks_start_are_waited_for_as_well() {
        let pool = Pool::watched_by(&Arc::default());
        let began = tokio::time::Instant::now();
        let inner = pool.clone();
        pool.spawn("evaluator", async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            inner.spawn("enforcer", tokio::time::sleep(Duration::from_secs(2)));
        });
        pool.join_all().await;
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_can_be_aborted_and_panic_alone() {
        let pool = Pool::watched_by(&Arc::default());
        pool.spawn("evaluator", async { panic!("a bug") });
        pool.spawn("enforcer", std::future::pending());
        tokio::task::yield_now().await;
        pool.abort_all();
        pool.join_all().await;
    }
}
