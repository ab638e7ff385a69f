//! How many messages of a target are held, and since when none is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many messages of a target are held. Clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct Held(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug)]
struct State {
    messages: usize,
    /// When the count last changed.
    changed: Instant,
}

/// A held message of a target. It is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Held);

impl Default for Held {
    /// None.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { messages: 0, changed: Instant::now() })))
    }
}

impl Held {
    /// Counts a message.
    pub(crate) fn count(&self) -> Counted {
        let mut state = self.state();
        *state = State { messages: state.messages + 1, changed: Instant::now() };
        Counted(self.clone())
    }

    /// How many are held.
    pub(crate) fn messages(&self) -> usize {
        self.state().messages
    }

    /// For how long none has been held; `None` while one is.
    pub(crate) fn none_for(&self) -> Option<Duration> {
        let State { messages, changed } = *self.state();
        (messages == 0).then(|| changed.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.0.state();
        *state = State { messages: state.messages - 1, changed: Instant::now() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_counted_until_it_is_dropped() {
        let held = Held::default();
        let counted = [held.count(), held.count()];
        assert_eq!((held.messages(), held.none_for()), (2, None));
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(counted);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!((held.messages(), held.none_for()), (0, Some(Duration::from_secs(7))));
    }
}
