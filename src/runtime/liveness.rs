//! Whether every task comes back in time from what it waits for.
//!
//! Before a task waits it calls [`within`] with the longest time that this may take, or [`idle`] if
//! it may take for ever. A task that has not come back when that time has passed, plus a grace
//! period, is stuck. For example, a call to EC2 has a time limit of 10 s: with a grace period of
//! 30 s its task is stuck after 40 s.
//!
//! [`within`] and [`idle`] find the task through a task-local value, so that functions deep inside
//! it need not be handed anything. Called outside of a watched task, as during the start, they do
//! nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static WATCHED: Watched;
}

/// The watched tasks, and when each is due to come back from its wait.
#[derive(Debug, Default)]
pub(crate) struct Liveness(Mutex<Entries>);

/// The watched tasks by their numbers. The number of a task that has ended is used again.
#[derive(Debug, Default)]
struct Entries {
    tasks: Vec<Entry>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    /// The kind of task, such as `poller`.
    name: &'static str,
    /// When the task is due; `None` while it waits for something that may take for ever, and once
    /// it has ended.
    due: Option<Instant>,
}

/// A task that is watched until this is dropped.
struct Watched {
    /// The index of its entry.
    number: usize,
    liveness: Arc<Liveness>,
}

impl Liveness {
    /// Runs a task, and watches it until it ends.
    pub(crate) async fn watch(self: Arc<Self>, name: &'static str, task: impl Future<Output = ()>) {
        let number = self.register(name);
        WATCHED.scope(Watched { number, liveness: self }, task).await;
    }

    /// The name of a task that has been waiting for longer than it announced, by more than `grace`.
    pub(crate) fn stuck(&self, grace: Duration) -> Option<&'static str> {
        let now = Instant::now();
        let is_stuck = |task: &&Entry| task.due.is_some_and(|due| now > due + grace);
        self.entries().tasks.iter().find(is_stuck).map(|task| task.name)
    }

    fn register(&self, name: &'static str) -> usize {
        let mut entries = self.entries();
        let entry = Entry { name, due: Some(Instant::now()) };
        if let Some(number) = entries.free.pop() {
            entries.tasks[number] = entry;
            return number;
        }
        entries.tasks.push(entry);
        entries.tasks.len() - 1
    }

    fn set_due(&self, number: usize, due: Option<Instant>) {
        if let Some(task) = self.entries().tasks.get_mut(number) {
            task.due = due;
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watched {
    /// A task that has ended is not stuck. That it ended too early is found by [`super::tasks`].
    fn drop(&mut self) {
        self.liveness.set_due(self.number, None);
        self.liveness.entries().free.push(self.number);
    }
}

/// Says that the task waits for something that may take for ever, such as a message.
pub(crate) fn idle() {
    set_due(None);
}

/// Says that the task waits for something that takes at most `limit`.
pub(crate) fn within(limit: Duration) {
    set_due(Some(Instant::now() + limit));
}

fn set_due(due: Option<Instant>) {
    // Outside of a watched task there is nothing to set.
    WATCHED.try_with(|task| task.liveness.set_due(task.number, due)).ok();
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
    #[tokio::test]
    async fn tasks_that_come_and_go_take_no_more_room() {
        let liveness = Arc::new(Liveness::default());
        for _ in 0..3 {
            Arc::clone(&liveness).watch("evaluator", async {}).await;
        }
        assert_eq!(liveness.entries().tasks.len(), 1);
    }
}
