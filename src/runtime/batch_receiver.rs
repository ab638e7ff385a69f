//! The receiving end of a channel, shared by several tasks that take batches of items from it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout_at};

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
    /// Takes the items that are in the channel, up to `limit`, without waiting. Takes none while
    /// another task waits for items: that task gets them.
    pub(crate) fn take_waiting(&self, limit: usize) -> Vec<T> {
        let Ok(mut source) = self.0.try_lock() else { return Vec::new() };
        let next = || match &mut *source {
            Source::Bounded(receiver) => receiver.try_recv().ok(),
            Source::Unbounded(receiver) => receiver.try_recv().ok(),
        };
        std::iter::from_fn(next).take(limit).collect()
    }

    /// Waits for an item, and takes it with all others that are in the channel, up to `limit`. The
    /// batch is empty only if the channel is closed and empty.
    pub(crate) async fn take(&self, limit: usize) -> Vec<T> {
        liveness::idle();
        let mut batch = Vec::new();
        self.0.lock().await.take(&mut batch, limit).await;
        batch
    }

    /// Takes a batch as `take` does, and waits up to `fill_time` for further items while
    /// `expects_more` is true of the last one.
    ///
    /// With a limit of 190 and a fill time of 50 ms, for example, a batch that began with the 10
    /// items of one poll has 40 items if three more polls bring 10 each within 50 ms.
    pub(crate) async fn take_and_fill(
        &self,
        limit: usize,
        fill_time: Duration,
        expects_more: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        liveness::idle();
        let mut batch = Vec::new();
        let mut source = self.0.lock().await;
        source.take(&mut batch, limit).await;
        liveness::within(fill_time);
        let deadline = Instant::now() + fill_time;
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
    /// Waits for an item, and adds up to `limit` items to the batch. Returns how many; 0 only if
    /// the channel is closed and empty.
    async fn take(&mut self, batch: &mut Vec<T>, limit: usize) -> usize {
        match self {
            Self::Bounded(receiver) => receiver.recv_many(batch, limit).await,
            Self::Unbounded(receiver) => receiver.recv_many(batch, limit).await,
        }
    }
}
