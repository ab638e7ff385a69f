//! Which notices go alone, and which wait for others of their owner.

use std::collections::HashMap;
use std::mem;

use tokio::time::Instant;

use crate::domain::notice::digest::LINE_LIMIT;
use crate::retry::delays;

/// How many notices of an owner go alone in a minute. So an owner of few instances gets a mail for
/// each, at once.
const ALONE: usize = 5;

/// The minutes in which owners got notices.
///
/// An owner's minute begins with a notice. With 8 notices within 10 s, for example, 5 go out at
/// once and 3 wait; a minute after the first one they go out together.
#[derive(Debug)]
pub(super) struct Windows<T>(HashMap<String, Window<T>>);

/// A minute of one owner.
#[derive(Debug)]
struct Window<T> {
    ends: Instant,
    /// How many notices went alone.
    alone: usize,
    waiting: Vec<T>,
}

impl<T> Default for Windows<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Windows<T> {
    /// Adds a notice of an owner. Returns what is to go out at once: this one alone, or a digest
    /// that is full.
    pub(super) fn add(&mut self, owner: String, notice: T) -> Option<Vec<T>> {
        let begun =
            || Window { ends: Instant::now() + delays::DIGEST, alone: 0, waiting: Vec::new() };
        let window = self.0.entry(owner).or_insert_with(begun);
        if window.alone < ALONE {
            window.alone += 1;
            return Some(vec![notice]);
        }
        window.waiting.push(notice);
        (window.waiting.len() == LINE_LIMIT).then(|| mem::take(&mut window.waiting))
    }

    /// Takes the digests of the minutes that are over.
    pub(super) fn due(&mut self) -> Vec<Vec<T>> {
        let now = Instant::now();
        let over = self.0.extract_if(|_, window| window.ends <= now);
        over.map(|(_, window)| window.waiting).filter(|waiting| !waiting.is_empty()).collect()
    }

    /// Takes all that waits.
    pub(super) fn all(&mut self) -> Vec<Vec<T>> {
        let all = self.0.drain().map(|(_, window)| window.waiting);
        all.filter(|waiting| !waiting.is_empty()).collect()
    }

    /// When the next minute is over; `None` without any.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().map(|window| window.ends).min()
    }

    /// How many notices wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.values().map(|window| window.waiting.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Adds notices with these numbers, and returns the groups that go out at once.
    fn add(
        windows: &mut Windows<usize>,
        owner: &str,
        notices: impl Iterator<Item = usize>,
    ) -> Vec<Vec<usize>> {
        notices.filter_map(|notice| windows.add(owner.to_owned(), notice)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_five_in_a_minute_go_alone_and_the_rest_together() {
        let mut windows = Windows::default();
        let alone: Vec<_> = (0..5).map(|notice| vec![notice]).collect();
        assert_eq!(add(&mut windows, "alice", 0..8), alone);
        assert_eq!(add(&mut windows, "bob", 0..5), alone);
        assert_eq!((windows.due(), windows.waiting()), (vec![], 3));
        tokio::time::sleep_until(windows.next().unwrap()).await;
        assert_eq!(windows.due(), [vec![5, 6, 7]]);
        assert_eq!((windows.next(), windows.waiting()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_minute_begins_with_the_next_notice() {
        let mut windows = Windows::default();
        add(&mut windows, "alice", 0..6);
        tokio::time::sleep(delays::DIGEST + Duration::from_secs(30)).await;
        assert_eq!(windows.due(), [vec![5]]);
        assert_eq!(add(&mut windows, "alice", 6..12).len(), 5);
        assert_eq!(windows.next(), Some(Instant::now() + delays::DIGEST));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_digest_does_not_wait() {
        let mut windows = Windows::default();
        let sent = add(&mut windows, "alice", 0..=5 + LINE_LIMIT);
        assert_eq!(sent.last().map(Vec::len), Some(LINE_LIMIT));
        assert_eq!(windows.all(), [vec![5 + LINE_LIMIT]]);
    }
}
