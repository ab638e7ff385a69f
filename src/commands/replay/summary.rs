//! What became of all lines together.

use std::collections::BTreeMap;

use super::entry::Replayed;
use crate::commands::judging::words::label;
use crate::domain::ids::Account;

/// What became of all lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// How many lines there are.
    pub lines: usize,
    /// How many cannot be read.
    pub unreadable: usize,
    /// About how many a policy could not be evaluated.
    pub faulty: usize,
    /// How many have each verdict, by its word; `gone` and `ignored` among them.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// How many starts violate each policy in each account.
    pub policies: BTreeMap<(String, Account), usize>,
}

impl Summary {
    /// Counts a line.
    pub(super) fn count(&mut self, replayed: &Replayed) {
        self.lines += 1;
        let verdict = match replayed {
            Replayed::Judged(judged) => {
                let (stored, judgement) = &**judged;
                for rule in &judgement.decision.denials {
                    let key = (rule.id.clone(), stored.account.clone());
                    *self.policies.entry(key).or_default() += 1;
                }
                self.faulty += usize::from(!judgement.decision.faults.is_empty());
                label(judgement)
            }
            Replayed::Gone(_) => "gone",
            Replayed::Ignored(_) => "ignored",
            Replayed::Unreadable(_) => {
                self.unreadable += 1;
                return;
            }
        };
        *self.verdicts.entry(verdict).or_default() += 1;
    }
}
