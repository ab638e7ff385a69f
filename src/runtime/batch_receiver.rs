//! The receiving end of a channel, shared by several tasks that take batches of items from it.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use crate::runtime::liveness;

/// The receiving end of a channel. Its clones share the channel: each item goes to one of them.
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
    /// Waits for an item, and takes it with all others that are in the channel, up to `limit`. The
    /// batch is empty only if the channel is closed and empty.
    pub(crate) async fn take(&self, limit: usize) -> Vec<T> {
        liveness::idle();
        let mut batch = Vec::new();
        self.0.lock().await.take(&mut batch, limit).await;
        batch
    }
}

impl<T> Source<T> {
    /// Waits for an item, and adds up to `limit` items to the batch. Returns how many; 0 only if
    /// the channel is closed and empty.
    async fn take(&mut self, batch: &mut Vec<T>, limit: usize) -> usize {
        match self {
            Self::Bounded(receiver) => receiver.recv_many(batch, limit).await,
            Self::Unbounded(receiver) => receiver.recv_many(batch, limit).await,
        }
    }
}
