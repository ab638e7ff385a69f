//! Whether every loop is within the time of what it is waiting for.
//!
//! Each task says before it waits how long that may take. The word goes to the task's own beat,
//! so that an attempt deep inside a batch need not be handed one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static BEAT: Beat;
}

/// The loops of the daemon.
#[derive(Debug, Default)]
pub(crate) struct Liveness(Mutex<Vec<Loop>>);

#[derive(Debug)]
struct Loop {
    name: &'static str,
    due: Option<Instant>,
}

struct Beat {
    number: usize,
    liveness: Arc<Liveness>,
}

impl Liveness {
    /// Runs a task as a loop that is watched until it ends.
    pub(crate) async fn watch(self: Arc<Self>, name: &'static str, task: impl Future<Output = ()>) {
        let number = self.register(name);
        BEAT.scope(Beat { number, liveness: self }, task).await;
    }

    /// The name of a loop whose wait takes longer than it announced, by more than `grace`.
    pub(crate) fn stuck(&self, grace: Duration) -> Option<&'static str> {
        let now = Instant::now();
        let overdue = |stage: &&Loop| stage.due.is_some_and(|due| now > due + grace);
        self.loops().iter().find(overdue).map(|stage| stage.name)
    }

    fn register(&self, name: &'static str) -> usize {
        let mut loops = self.loops();
        loops.push(Loop { name, due: Some(Instant::now()) });
        loops.len() - 1
    }

    fn set(&self, number: usize, due: Option<Instant>) {
        if let Some(stage) = self.loops().get_mut(number) {
            stage.due = due;
        }
    }

    fn loops(&self) -> MutexGuard<'_, Vec<Loop>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Beat {
    /// A loop that ended is not stuck; whether it may end is the daemon's question.
    fn drop(&mut self) {
        self.liveness.set(self.number, None);
    }
}

/// Says that the task waits for something that may take for ever, such as a message.
pub(crate) fn idle() {
    beat(None);
}

/// Says that the task waits for something that takes at most `limit`.
pub(crate) fn within(limit: Duration) {
    beat(Some(Instant::now() + limit));
}

/// Outside a watched task, such as at the start, nobody listens.
fn beat(due: Option<Instant>) {
    BEAT.try_with(|beat| beat.liveness.set(beat.number, due)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    async fn stuck_after(secs: u64, wait: fn()) -> Option<&'static str> {
        let liveness = Arc::new(Liveness::default());
        let task = async move {
            wait();
            std::future::pending::<()>().await;
        };
        let task = tokio::spawn(Arc::clone(&liveness).watch("evaluator", task));
        tokio::time::sleep(Duration::from_secs(secs)).await;
        let stuck = liveness.stuck(GRACE);
        task.abort();
        stuck
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_waits_for_a_message_is_alive_for_ever() {
        assert_eq!(stuck_after(100_000, idle).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_is_stuck_30_s_after_the_time_of_what_it_waits_for() {
        let wait = || within(Duration::from_secs(20));
        assert_eq!(stuck_after(49, wait).await, None);
        assert_eq!(stuck_after(51, wait).await, Some("evaluator"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_ended_is_not_stuck() {
        let liveness = Arc::new(Liveness::default());
        Arc::clone(&liveness).watch("poller", async { within(Duration::ZERO) }).await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(liveness.stuck(GRACE), None);
    }
}
