//! What a message is about, as far as failed calls excuse more for it than for others.

use std::collections::BTreeSet;

use super::evidence::Evidence;

/// The places that a poller reserves in the inbox before it polls.
const POLL: usize = 10;

#[derive(Debug, Clone, Copy)]
pub(super) struct Concern {
    /// An instance that is poisoned at some time.
    pub poisoned: bool,
    /// An instance in a region that refuses the credentials at some time.
    pub refused: bool,
    /// Any instance, where messages about refused regions may fill the inbox.
    pub kept_out: bool,
}

impl Concern {
    pub(super) const ALL: [Self; 4] = [
        Self { poisoned: false, refused: false, kept_out: false },
        Self { poisoned: true, refused: false, kept_out: false },
        Self { poisoned: false, refused: true, kept_out: false },
        Self { poisoned: true, refused: true, kept_out: false },
    ];

    /// The concern of the message while no process has it.
    pub(super) fn before_its_receipt(self) -> Self {
        Self { refused: self.refused || self.kept_out, ..self }
    }

    /// Its place among all.
    pub(super) fn place(self) -> usize {
        usize::from(self.poisoned) + 2 * usize::from(self.refused)
    }
}

/// The messages of a world by their concerns.
pub(super) struct Concerns<'r> {
    poisoned: BTreeSet<&'r str>,
    refused: BTreeSet<&'r str>,
    /// Whether the messages about refused regions can take so many places of the inbox, which all
    /// regions share, that those of a poll are not left. Then nothing is received for a while.
    fill_inbox: bool,
}

impl<'r> Concerns<'r> {
    pub(super) fn of(evidence: &Evidence<'r>) -> Self {
        let record = evidence.record;
        let refused = record.history.about(&record.plan.refused());
        Self {
            poisoned: record.history.about(&record.plan.poisoned()),
            fill_inbox: !refused.is_empty() && refused.len() + POLL > record.plan.inbox,
            refused,
        }
    }

    pub(super) fn about(&self, message: &str) -> Concern {
        Concern {
            poisoned: self.poisoned.contains(message),
            refused: self.refused.contains(message),
            kept_out: self.fill_inbox,
        }
    }
}
