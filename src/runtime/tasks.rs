//! Spawned tasks with names, so that the log can name a task that ended too early or panicked.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};

use crate::runtime::liveness::Liveness;

/// A set of running tasks, each watched by a [`Liveness`]. Dropping the set aborts them.
#[derive(Debug)]
pub(crate) struct Tasks {
    running: JoinSet<()>,
    /// The name of each running task.
    names: HashMap<Id, &'static str>,
    liveness: Arc<Liveness>,
}

/// How a task ended.
#[derive(Debug)]
pub(crate) struct TaskEnd {
    /// The name of the task, such as `poller`.
    pub name: &'static str,
    /// The message of its panic, if it panicked.
    pub panic: Option<String>,
}

impl Tasks {
    /// An empty set whose tasks will be watched by `liveness`.
    pub(crate) fn watched_by(liveness: &Arc<Liveness>) -> Self {
        Self { running: JoinSet::new(), names: HashMap::new(), liveness: Arc::clone(liveness) }
    }

    /// Starts a task. Several may have the same name.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.running.spawn(Arc::clone(&self.liveness).watch(name, task));
        self.names.insert(handle.id(), name);
    }

    /// How many tasks of this name have not ended.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.names.values().filter(|one| **one == name).count()
    }

    /// Whether there are no tasks whose end has not been asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits until one of the tasks ends; `None` if the set is empty.
    pub(crate) async fn join_next(&mut self) -> Option<TaskEnd> {
        let ended = self.running.join_next_with_id().await?;
        Some(self.end_of(ended))
    }

    /// How a task ended whose end has not been asked for; `None` if none has ended.
    pub(crate) fn try_join_next(&mut self) -> Option<TaskEnd> {
        let ended = self.running.try_join_next_with_id()?;
        Some(self.end_of(ended))
    }

    fn end_of(&mut self, ended: Result<(Id, ()), JoinError>) -> TaskEnd {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let name = self.names.remove(&id).unwrap_or("unknown");
        let panic = ended.err().and_then(|error| error.try_into_panic().ok());
        TaskEnd { name, panic: panic.map(|panic| panic_message(&*panic).to_owned()) }
    }

    /// Waits until all tasks have ended, and returns the first one that panicked, if any.
    pub(crate) async fn join_all(&mut self) -> Option<TaskEnd> {
        let mut panicked = None;
        while let Some(end) = self.join_next().await {
            panicked = panicked.or(end.panic.is_some().then_some(end));
        }
        panicked
    }

    /// Aborts all tasks.
    pub(crate) fn abort_all(&mut self) {
        self.running.abort_all();
    }

    /// Aborts all tasks, and waits until they have ended.
    pub(crate) async fn abort(&mut self) {
        self.running.shutdown().await;
    }
}

/// The message of a panic, as it was given to `panic!`.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_panic_has_the_message_that_it_was_raised_with() {
        let panic = catch_unwind(|| panic!("{} is {}", "this", "wrong")).unwrap_err();
        assert_eq!(panic_message(&*panic), "this is wrong");
        let panic = catch_unwind(|| panic!("wrong")).unwrap_err();
        assert_eq!(panic_message(&*panic), "wrong");
    }
}
