//! Tasks with names, so that whoever ends too early can be told by name.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};

use crate::runtime::liveness::Liveness;

/// Tasks that are watched, and aborted when dropped.
#[derive(Debug)]
pub(crate) struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
    liveness: Arc<Liveness>,
}

/// How a task ended.
#[derive(Debug)]
pub(crate) struct TaskEnd {
    /// Which one.
    pub name: &'static str,
    /// What it panicked with, if it did.
    pub panic: Option<String>,
}

impl Tasks {
    /// No tasks yet; `alive` will watch them.
    pub(crate) fn watched_by(liveness: &Arc<Liveness>) -> Self {
        Self { running: JoinSet::new(), names: HashMap::new(), liveness: Arc::clone(liveness) }
    }

    /// Starts a task.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.running.spawn(Arc::clone(&self.liveness).watch(name, task));
        self.names.insert(handle.id(), name);
    }

    /// Waits for a task to end; nothing if none is left.
    pub(crate) async fn next(&mut self) -> Option<TaskEnd> {
        let ended = self.running.join_next_with_id().await?;
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let name = self.names.remove(&id).unwrap_or("unknown");
        let panic = ended.err().and_then(|error| error.try_into_panic().ok());
        Some(TaskEnd { name, panic: panic.map(|panic| cause(&*panic).to_owned()) })
    }

    /// Waits for all tasks to end; the first panic comes back.
    pub(crate) async fn all(&mut self) -> Option<TaskEnd> {
        let mut panicked = None;
        while let Some(end) = self.next().await {
            panicked = panicked.or(end.panic.is_some().then_some(end));
        }
        panicked
    }

    /// Aborts all tasks, and waits until they are gone.
    pub(crate) async fn abort(&mut self) {
        self.running.shutdown().await;
    }
}

/// What a panic was raised with.
pub(crate) fn cause(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn the_cause_of_a_panic_is_its_message() {
        let panic = catch_unwind(|| panic!("{} is {}", "this", "wrong")).unwrap_err();
        assert_eq!(cause(&*panic), "this is wrong");
        let panic = catch_unwind(|| panic!("wrong")).unwrap_err();
        assert_eq!(cause(&*panic), "wrong");
    }
}
