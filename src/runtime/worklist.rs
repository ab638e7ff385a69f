//! The order in which a task tries its batches while some of them fail. A batch that always fails
//! must hold up no other.
//!
//! For example, a batch of 100 instances fails because of one of them. Its halves are tried next,
//! and the half that succeeds is done. The other one is halved further, until the bad instance is
//! alone. From then on that instance is tried only when nothing else is left.

use std::collections::VecDeque;

/// The batches that a task has yet to work off.
#[derive(Debug)]
pub(crate) struct Worklist<T> {
    /// Batches that were not tried in their present form. They come first.
    untried: VecDeque<T>,
    /// Batches that failed in their present form.
    tried: VecDeque<T>,
}

impl<T> Worklist<T> {
    /// A worklist of these batches.
    pub(crate) fn new(batches: impl IntoIterator<Item = T>) -> Self {
        Self { untried: batches.into_iter().collect(), tried: VecDeque::new() }
    }

    /// How many batches there are.
    pub(crate) fn len(&self) -> usize {
        self.untried.len() + self.tried.len()
    }

    /// Takes the batch that is to be tried next.
    pub(crate) fn next(&mut self) -> Option<T> {
        self.untried.pop_front().or_else(|| self.tried.pop_front())
    }

    /// Adds batches that have not been tried at all, ahead of all others.
    pub(crate) fn push_new(&mut self, batches: impl IntoIterator<Item = T>) {
        for batch in batches {
            self.untried.push_front(batch);
        }
    }

    /// Adds the parts of a batch that failed, ahead of those that were tried: a part has not been
    /// tried by itself, and may succeed.
    pub(crate) fn push_parts(&mut self, parts: impl IntoIterator<Item = T>) {
        self.untried.extend(parts);
    }

    /// Adds a batch that failed and is to be tried again in the same form, behind all others.
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
