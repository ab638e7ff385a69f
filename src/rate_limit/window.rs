//! A sliding window: at most so many messages in any second, as the other side counts them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Turn, Notify};
use tokio::time::{Instant, timeout};

use crate::retry::delays;
use crate::runtime::liveness;

/// Counts messages from their sending until a second after the answer. The other side counts each
/// of them at some time between sending and answer, so that in any of its seconds there are no more
/// than are counted here.
///
/// A bucket of 9 that is refilled with 9 a second would let 17 messages pass within a second.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Held by the task that waits for slots; the others stand in line for it.
    turn: Turn<()>,
    counted: Mutex<Counted>,
    /// Signalled when a call has ended.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Counted {
    in_flight: usize,
    /// Until when each message counts whose call has ended.
    until: VecDeque<Instant>,
}

/// The right to send some messages. Dropped when their call has ended.
#[derive(Debug)]
pub(crate) struct Slots {
    window: Arc<Window>,
    count: usize,
}

impl Window {
    /// Waits until the limit allows so many messages, or as many as it is, in the order of asking.
    /// Without a limit there is no wait.
    pub(crate) async fn take(
        self: &Arc<Self>,
        count: usize,
        limit: impl Fn() -> Option<usize>,
    ) -> Slots {
        let slots = |count| Slots { window: Arc::clone(self), count };
        if limit().is_none() {
            return slots(0);
        }
        // The task in front of the line says how long it waits.
        liveness::idle();
        let _turn = self.turn.lock().await;
        while let Some(limit) = limit() {
            let count = count.min(limit);
            let Err(next) = self.counted().take(count, limit) else { return slots(count) };
            let now = Instant::now();
            let wait =
                next.map_or(delays::TOKEN_RECHECK, |next| next.saturating_duration_since(now));
            liveness::within(wait);
            timeout(wait, self.ended.notified()).await.ok();
        }
        slots(0)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// Takes slots.
    ///
    /// # Errors
    /// When the next message no longer counts; `None` if that is not known, because the calls of
    /// all are in flight.
    fn take(&mut self, count: usize, limit: usize) -> Result<(), Option<Instant>> {
        let now = Instant::now();
        while self.until.front().is_some_and(|until| *until <= now) {
            self.until.pop_front();
        }
        if self.in_flight + self.until.len() + count > limit {
            return Err(self.until.front().copied());
        }
        self.in_flight += count;
        Ok(())
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        let mut counted = self.window.counted();
        counted.in_flight -= self.count;
        let until = Instant::now() + delays::NOTICE_WINDOW;
        counted.until.extend(std::iter::repeat_n(until, self.count));
        drop(counted);
        self.window.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn send(window: &Arc<Window>, count: usize, takes: Duration) -> Instant {
        let _slots = window.take(count, || Some(9)).await;
        tokio::time::sleep(takes).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn nine_messages_go_at_once_and_the_next_a_second_after_their_answer() {
        let (window, began) = (Arc::<Window>::default(), Instant::now());
        let takes = Duration::from_millis(50);
        let answered = send(&window, 9, takes).await;
        assert_eq!(answered - began, takes);
        assert_eq!(send(&window, 1, takes).await - answered, Duration::from_millis(1050));
    }

    #[tokio::test(start_paused = true)]
    async fn any_second_has_nine_messages_at_most_whenever_they_are_counted() {
        let window = Arc::<Window>::default();
        let mut spans = Vec::new();
        for number in 0..100_u64 {
            let (count, takes) = (1 + number % 4, Duration::from_millis(number * 37 % 300));
            let slots = window.take(usize::try_from(count).unwrap(), || Some(9)).await;
            let sent = Instant::now();
            tokio::time::sleep(takes).await;
            drop(slots);
            spans.push((sent, Instant::now(), count));
        }
        for (_, from, _) in &spans {
            let until = *from + Duration::from_secs(1);
            let within =
                spans.iter().filter(|(sent, answered, _)| answered >= from && *sent < until);
            let messages: u64 = within.map(|(_, _, count)| count).sum();
            assert!(messages <= 9, "{messages} within a second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let (window, began) = (Arc::<Window>::default(), Instant::now());
        for _ in 0..1_000 {
            window.take(10, || None).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
