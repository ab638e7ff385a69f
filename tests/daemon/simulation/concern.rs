//! What a message is about, as far as failed calls excuse more for it than for others.

use std::collections::BTreeSet;

use super::evidence::Evidence;

#[derive(Debug, Clone, Copy)]
pub(super) struct Concern {
    /// An instance that is poisoned at some time.
    pub poisoned: bool,
    /// An instance in a region that refuses the credentials at some time.
    pub refused: bool,
}

impl Concern {
    pub(super) const ALL: [Self; 4] = [
        Self { poisoned: false, refused: false },
        Self { poisoned: true, refused: false },
        Self { poisoned: false, refused: true },
        Self { poisoned: true, refused: true },
    ];

    /// Its place among all.
    pub(super) fn place(self) -> usize {
        usize::from(self.poisoned) + 2 * usize::from(self.refused)
    }
}

/// The messages of a world by their concerns.
pub(super) struct Concerns<'r> {
    poisoned: BTreeSet<&'r str>,
    refused: BTreeSet<&'r str>,
}

impl<'r> Concerns<'r> {
    pub(super) fn of(evidence: &Evidence<'r>) -> Self {
        let record = evidence.record;
        Self {
            poisoned: record.history.about(&record.plan.poisoned()),
            refused: record.history.about(&record.plan.refused()),
        }
    }

    pub(super) fn about(&self, message: &str) -> Concern {
        Concern {
            poisoned: self.poisoned.contains(message),
            refused: self.refused.contains(message),
        }
    }
}
