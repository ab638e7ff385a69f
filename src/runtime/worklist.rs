//! What a task has yet to do while calls fail: one instance that always fails must hold up no
//! other.

use std::collections::VecDeque;

/// Batches in the order in which a task tries them: what was not tried as it is comes first.
#[derive(Debug)]
pub struct Worklist<T> {
    untried: VecDeque<T>,
    tried: VecDeque<T>,
}

impl<T> Worklist<T> {
    /// Begins with these.
    pub fn of(batches: impl IntoIterator<Item = T>) -> Self {
        Self { untried: batches.into_iter().collect(), tried: VecDeque::new() }
    }

    /// Takes the next one.
    pub fn take_next(&mut self) -> Option<T> {
        self.untried.pop_front().or_else(|| self.tried.pop_front())
    }

    /// Takes newcomers in, ahead of all.
    pub fn welcome(&mut self, newcomers: impl IntoIterator<Item = T>) {
        for newcomer in newcomers {
            self.untried.push_front(newcomer);
        }
    }

    /// Takes the parts of one that failed: each may be sound.
    pub fn take_parts(&mut self, parts: impl IntoIterator<Item = T>) {
        self.untried.extend(parts);
    }

    /// Takes one back that was tried, and is not done.
    pub fn take_back(&mut self, tried: T) {
        self.tried.push_back(tried);
    }
}

#[cfg(test)]
mod tests {
    use super::Worklist;

    #[test]
    fn what_was_not_tried_comes_first() {
        let mut worklist = Worklist::of([1, 2]);
        worklist.take_back(3);
        worklist.take_parts([4, 5]);
        worklist.welcome([6]);
        worklist.take_back(7);
        let order: Vec<_> = std::iter::from_fn(|| worklist.take_next()).collect();
        assert_eq!(order, [6, 1, 2, 4, 5, 3, 7]);
    }
}
