//! The consuming end of a channel, shared by several tasks that take batches from it.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use crate::alive;

/// A line of waiting things; its clones take from the same line.
#[derive(Debug)]
pub struct Line<T>(Arc<Mutex<Source<T>>>);

#[derive(Debug)]
enum Source<T> {
    Bounded(mpsc::Receiver<T>),
    Unbounded(mpsc::UnboundedReceiver<T>),
}

impl<T> Clone for Line<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<mpsc::Receiver<T>> for Line<T> {
    fn from(receiver: mpsc::Receiver<T>) -> Self {
        Self(Arc::new(Mutex::new(Source::Bounded(receiver))))
    }
}

impl<T> From<mpsc::UnboundedReceiver<T>> for Line<T> {
    fn from(receiver: mpsc::UnboundedReceiver<T>) -> Self {
        Self(Arc::new(Mutex::new(Source::Unbounded(receiver))))
    }
}

impl<T> Line<T> {
    /// Takes whatever is there at once, up to `limit`, unless another task waits for it anyway.
    pub fn take_waiting(&self, limit: usize) -> Vec<T> {
        let Ok(mut source) = self.0.try_lock() else { return Vec::new() };
        let next = || match &mut *source {
            Source::Bounded(receiver) => receiver.try_recv().ok(),
            Source::Unbounded(receiver) => receiver.try_recv().ok(),
        };
        std::iter::from_fn(next).take(limit).collect()
    }

    /// Waits for one thing, then takes whatever is there, up to `limit`. Nothing comes only from
    /// a line that is closed and empty.
    pub async fn take(&self, limit: usize) -> Vec<T> {
        alive::idle();
        let mut batch = Vec::new();
        match &mut *self.0.lock().await {
            Source::Bounded(receiver) => receiver.recv_many(&mut batch, limit).await,
            Source::Unbounded(receiver) => receiver.recv_many(&mut batch, limit).await,
        };
        batch
    }
}
