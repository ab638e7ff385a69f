//! The consuming end of a channel, shared by several tasks that take batches from it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::runtime::liveness;

/// A line of waiting things; its clones take from the same line.
#[derive(Debug)]
pub(crate) struct BatchReceiver<T>(Arc<Mutex<Source<T>>>);

#[derive(Debug)]
enum Source<T> {
    Bounded(mpsc::Receiver<T>),
    Unbounded(mpsc::UnboundedReceiver<T>),
}

impl<T> Clone for BatchReceiver<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<mpsc::Receiver<T>> for BatchReceiver<T> {
    fn from(receiver: mpsc::Receiver<T>) -> Self {
        Self(Arc::new(Mutex::new(Source::Bounded(receiver))))
    }
}

impl<T> From<mpsc::UnboundedReceiver<T>> for BatchReceiver<T> {
    fn from(receiver: mpsc::UnboundedReceiver<T>) -> Self {
        Self(Arc::new(Mutex::new(Source::Unbounded(receiver))))
    }
}

impl<T> BatchReceiver<T> {
    /// Takes whatever is there at once, up to `limit`, unless another task waits for it anyway.
    pub(crate) fn take_waiting(&self, limit: usize) -> Vec<T> {
        let Ok(mut source) = self.0.try_lock() else { return Vec::new() };
        let next = || match &mut *source {
            Source::Bounded(receiver) => receiver.try_recv().ok(),
            Source::Unbounded(receiver) => receiver.try_recv().ok(),
        };
        std::iter::from_fn(next).take(limit).collect()
    }

    /// Waits for one thing, then takes whatever is there, up to `limit`. Nothing comes only from
    /// a line that is closed and empty.
    pub(crate) async fn take(&self, limit: usize) -> Vec<T> {
        liveness::idle();
        let mut batch = Vec::new();
        self.0.lock().await.take(&mut batch, limit).await;
        batch
    }

    /// Takes as `take` does, and while `expects_more` is true of the last thing, waits for others
    /// to fill the batch, at most for `patience` in all.
    pub(crate) async fn gather(
        &self,
        limit: usize,
        patience: Duration,
        expects_more: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        liveness::idle();
        let mut batch = Vec::new();
        let mut source = self.0.lock().await;
        source.take(&mut batch, limit).await;
        liveness::within(patience);
        let deadline = Instant::now() + patience;
        while batch.len() < limit && batch.last().is_some_and(&expects_more) {
            let room = limit - batch.len();
            let taken = timeout_at(deadline, source.take(&mut batch, room)).await;
            if taken.unwrap_or_default() == 0 {
                break;
            }
        }
        batch
    }
}

impl<T> Source<T> {
    async fn take(&mut self, batch: &mut Vec<T>, limit: usize) -> usize {
        match self {
            Self::Bounded(receiver) => receiver.recv_many(batch, limit).await,
            Self::Unbounded(receiver) => receiver.recv_many(batch, limit).await,
        }
    }
}
