//! Items that wait for tasks which are started when items come, and end when none are left. A queue
//! without items costs no task.
//!
//! ```text
//! if queue.push([item]) { spawn(work()) }        // whoever adds items starts a worker
//!
//! async fn work() {
//!     let mut worker = queue.worker();
//!     while let Some(batch) = worker.take(100) {
//!         if worker.wants_colleague() { spawn(work()) }
//!         …
//!     }
//! }
//! ```

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::runtime::liveness;

/// A queue with workers of its own.
#[derive(Debug)]
pub(crate) struct WorkQueue<T> {
    state: Mutex<State<T>>,
    /// Signalled when an item comes while a worker waits for further ones.
    came: Notify,
    /// How many workers there may be at a time.
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// The workers that have been asked for and have not ended.
    workers: usize,
    /// Those of them that have not taken a batch yet: they need no further one beside them.
    coming: usize,
    /// Whether a worker waits for further items: it gets all that come.
    is_filling: bool,
}

/// A worker of a queue, which takes batches until there are no items left.
#[derive(Debug)]
pub(crate) struct Worker<T> {
    queue: Arc<WorkQueue<T>>,
    has_taken: bool,
    has_ended: bool,
}

impl<T> WorkQueue<T> {
    /// An empty queue, for which at most so many workers work at a time.
    pub(crate) fn new(limit: usize) -> Self {
        let state = State { items: VecDeque::new(), workers: 0, coming: 0, is_filling: false };
        Self { state: Mutex::new(state), came: Notify::new(), limit }
    }

    /// Adds items. Says whether a worker has to be started for them.
    #[must_use = "without a worker the items stay in the queue"]
    pub(crate) fn push(&self, items: impl IntoIterator<Item = T>) -> bool {
        let mut state = self.state();
        state.items.extend(items);
        if state.is_filling {
            self.came.notify_one();
            return false;
        }
        state.wants_worker(self.limit)
    }

    /// Takes items, up to `limit`. Takes none while a worker waits for further ones: it gets them.
    pub(crate) fn take_waiting(&self, limit: usize) -> Vec<T> {
        let mut state = self.state();
        if state.is_filling { Vec::new() } else { state.take(limit) }
    }

    /// How many items wait.
    pub(crate) fn len(&self) -> usize {
        self.state().items.len()
    }

    /// Whether there are neither items nor workers.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.items.is_empty() && state.workers == 0
    }

    /// The worker that was asked for.
    pub(crate) fn worker(self: &Arc<Self>) -> Worker<T> {
        Worker { queue: Arc::clone(self), has_taken: false, has_ended: false }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn take(&mut self, limit: usize) -> Vec<T> {
        if self.items.len() <= limit {
            // With its memory, so that a thousand queues at rest hold none.
            return mem::take(&mut self.items).into();
        }
        self.items.drain(..limit).collect()
    }

    /// Counts on a further worker, if there are items for one.
    fn wants_worker(&mut self, limit: usize) -> bool {
        let wants =
            !self.items.is_empty() && !self.is_filling && self.coming == 0 && self.workers < limit;
        if wants {
            self.workers += 1;
            self.coming += 1;
        }
        wants
    }
}

impl<T> Worker<T> {
    /// Takes items, up to `limit`; `None` if there are none, and then the worker has ended. An item
    /// that comes later has another one started.
    pub(crate) fn take(&mut self, limit: usize) -> Option<Vec<T>> {
        let queue = Arc::clone(&self.queue);
        let mut state = queue.state();
        self.arrived(&mut state);
        if state.items.is_empty() || state.is_filling {
            state.workers -= 1;
            self.has_ended = true;
            return None;
        }
        Some(state.take(limit))
    }

    /// Takes a batch as `take` does, and waits up to `fill_time` for further items while
    /// `expects_more` is true of the last one.
    ///
    /// With a limit of 190 and a fill time of 50 ms, for example, a batch that began with the 10
    /// items of one poll has 40 items if three more polls bring 10 each within 50 ms.
    pub(crate) async fn take_and_fill(
        &mut self,
        limit: usize,
        fill_time: Duration,
        expects_more: impl Fn(&T) -> bool,
    ) -> Option<Vec<T>> {
        let mut batch = self.take(limit)?;
        let may_grow =
            |batch: &Vec<T>| batch.len() < limit && batch.last().is_some_and(&expects_more);
        if !may_grow(&batch) {
            return Some(batch);
        }
        liveness::within(fill_time);
        let filling = Filling::begin(&self.queue);
        let deadline = Instant::now() + fill_time;
        while may_grow(&batch) && timeout_at(deadline, filling.0.came.notified()).await.is_ok() {
            batch.extend(filling.0.state().take(limit - batch.len()));
        }
        Some(batch)
    }

    /// Whether a further worker has to be started, for what this one has left.
    #[must_use = "without a worker the items stay in the queue"]
    pub(crate) fn wants_colleague(&self) -> bool {
        self.queue.state().wants_worker(self.queue.limit)
    }

    fn arrived(&mut self, state: &mut State<T>) {
        if !self.has_taken {
            self.has_taken = true;
            state.coming -= 1;
        }
    }
}

impl<T> Drop for Worker<T> {
    /// A worker that panicked, or was aborted, has ended as well.
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let queue = Arc::clone(&self.queue);
        let mut state = queue.state();
        self.arrived(&mut state);
        state.workers -= 1;
    }
}

/// A worker waits for further items, until this is dropped.
struct Filling<'queue, T>(&'queue WorkQueue<T>);

impl<'queue, T> Filling<'queue, T> {
    fn begin(queue: &'queue WorkQueue<T>) -> Self {
        queue.state().is_filling = true;
        Self(queue)
    }
}

impl<T> Drop for Filling<'_, T> {
    fn drop(&mut self) {
        self.0.state().is_filling = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILL: Duration = Duration::from_millis(50);

    fn queue(limit: usize) -> Arc<WorkQueue<u32>> {
        Arc::new(WorkQueue::new(limit))
    }

    #[test]
    fn items_have_one_worker_started_until_it_takes_them() {
        let queue = queue(4);
        assert!(queue.push([1]));
        assert!(!queue.push([2, 3]));
        let mut worker = queue.worker();
        assert_eq!(worker.take(10), Some(vec![1, 2, 3]));
        assert!(!worker.wants_colleague());
        assert!(queue.push([4]));
        assert!(!queue.is_idle());
    }

    #[test]
    fn a_queue_without_items_holds_no_memory() {
        let queue = queue(1);
        assert!(queue.push(1..=3));
        assert_eq!(queue.worker().take(2), Some(vec![1, 2]));
        assert!(queue.push([]) && queue.state().items.capacity() > 0);
        assert_eq!(queue.worker().take(2), Some(vec![3]));
        assert_eq!(queue.state().items.capacity(), 0);
    }

    #[test]
    fn what_a_worker_leaves_needs_a_colleague() {
        let queue = queue(2);
        assert!(queue.push(1..=5));
        let mut one = queue.worker();
        assert_eq!(one.take(2), Some(vec![1, 2]));
        assert!(one.wants_colleague());
        let mut other = queue.worker();
        assert_eq!(other.take(2), Some(vec![3, 4]));
        assert!(!other.wants_colleague());
        assert_eq!(one.take(2), Some(vec![5]));
    }

    #[test]
    fn a_worker_ends_when_nothing_is_left_and_the_next_item_starts_another() {
        let queue = queue(1);
        assert!(queue.push([1]));
        let mut worker = queue.worker();
        assert_eq!(worker.take(9), Some(vec![1]));
        assert!(!queue.push([2]));
        assert_eq!(worker.take(9), Some(vec![2]));
        assert_eq!(worker.take(9), None);
        assert!(queue.is_idle());
        assert!(queue.push([3]));
    }

    #[test]
    fn a_worker_that_panicked_or_never_began_leaves_its_place() {
        let queue = queue(1);
        assert!(queue.push([1]));
        drop(queue.worker());
        assert!(queue.push([2]));
        let mut worker = queue.worker();
        assert_eq!(worker.take(1), Some(vec![1]));
        drop(worker);
        assert!(queue.push([]));
        assert_eq!(queue.worker().take(9), Some(vec![2]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_waits_for_further_items_gets_all_that_come() {
        let queue = queue(4);
        assert!(queue.push([1]));
        let filled = tokio::spawn({
            let mut worker = queue.worker();
            async move { worker.take_and_fill(3, FILL, |_| true).await }
        });
        tokio::time::sleep(FILL / 2).await;
        assert!(!queue.push([2]));
        assert_eq!(queue.take_waiting(9), [] as [u32; 0]);
        assert!(!queue.push([3, 4]));
        assert_eq!(filled.await.unwrap(), Some(vec![1, 2, 3]));
        assert!(queue.push([]));
        assert_eq!(queue.worker().take(9), Some(vec![4]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_not_waited_for_longer_than_its_fill_time() {
        let queue = queue(4);
        assert!(queue.push([1]));
        let (mut worker, began) = (queue.worker(), Instant::now());
        assert_eq!(worker.take_and_fill(3, FILL, |_| true).await, Some(vec![1]));
        assert_eq!(began.elapsed(), FILL);
        assert!(queue.push([2]));
        assert_eq!(worker.take_and_fill(3, FILL, |_| false).await, Some(vec![2]));
        assert_eq!(began.elapsed(), FILL);
    }
}
