//! Sets of time spans, and how much of another span they leave uncovered.

use std::time::Duration;

use tokio::time::Instant;

/// Spans of time, sorted. Those that overlap or touch are joined into one.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<(Instant, Instant)>);

impl Times {
    pub(super) fn of(spans: impl IntoIterator<Item = (Instant, Instant)>) -> Self {
        let mut spans: Vec<_> = spans.into_iter().collect();
        spans.sort_unstable();
        let mut times: Vec<(Instant, Instant)> = Vec::new();
        for (from, to) in spans {
            match times.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => times.push((from, to)),
            }
        }
        Self(times)
    }

    /// How much of the span is covered by none of these.
    pub(super) fn left_of(&self, from: Instant, to: Instant) -> Duration {
        let whole = to.saturating_duration_since(from);
        let covered = self
            .0
            .iter()
            .map(|(begin, end)| (*end).min(to).saturating_duration_since((*begin).max(from)));
        whole.saturating_sub(covered.sum())
    }
}
