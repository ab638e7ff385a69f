//! What a task has yet to do while some of its calls fail. One batch that always fails must hold up
//! no other.

use std::collections::VecDeque;

/// Batches in the order in which a task tries them: what was not tried as it is comes first.
#[derive(Debug)]
pub(crate) struct Worklist<T> {
    untried: VecDeque<T>,
    tried: VecDeque<T>,
}

impl<T> Worklist<T> {
    /// A worklist of these batches.
    pub(crate) fn new(batches: impl IntoIterator<Item = T>) -> Self {
        Self { untried: batches.into_iter().collect(), tried: VecDeque::new() }
    }

    /// Takes the batch that is tried next.
    pub(crate) fn next(&mut self) -> Option<T> {
        self.untried.pop_front().or_else(|| self.tried.pop_front())
    }

    /// Adds batches that nobody has tried yet, ahead of all others.
    pub(crate) fn push_new(&mut self, batches: impl IntoIterator<Item = T>) {
        for batch in batches {
            self.untried.push_front(batch);
        }
    }

    /// Adds the parts of a batch that failed: each part was not tried alone, and may be sound.
    pub(crate) fn push_parts(&mut self, parts: impl IntoIterator<Item = T>) {
        self.untried.extend(parts);
    }

    /// Adds a batch that was tried as it is and is not done, behind all others.
    pub(crate) fn push_tried(&mut self, batch: T) {
        self.tried.push_back(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::Worklist;

    #[test]
    fn what_was_not_tried_comes_first() {
        let mut worklist = Worklist::new([1, 2]);
        worklist.push_tried(3);
        worklist.push_parts([4, 5]);
        worklist.push_new([6]);
        worklist.push_tried(7);
        let order: Vec<_> = std::iter::from_fn(|| worklist.next()).collect();
        assert_eq!(order, [6, 1, 2, 4, 5, 3, 7]);
    }
}
