//! What becomes of a start by other policies.

use crate::commands::judging::{denying, judge, stops};
use crate::domain::policy::Policies;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::stored::Stored;

/// What becomes of a start by other policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::commands) enum Change {
    /// They stop the instance, which the old ones did not.
    NewlyStopped,
    /// They do not stop the instance, which the old ones did.
    NewlySpared,
}

/// A start of which something else becomes by other policies.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    /// The number of its line.
    pub line: usize,
    /// The instance.
    pub stored: Stored,
    /// What becomes of it.
    pub change: Change,
    /// The enforced policies that it violates: new ones if it is newly stopped, otherwise old ones.
    pub policies: Vec<String>,
}

/// What becomes of a start by the new policies, if it is something else than by the old ones.
pub(super) fn changed(line: usize, stored: Stored, [old, new]: [&Policies; 2]) -> Option<Changed> {
    let [before, after] = [old, new].map(|policies| judge(policies, &stored));
    let (change, judgement) = match (stops(before.verdict), stops(after.verdict)) {
        (false, true) => (Change::NewlyStopped, after),
        (true, false) => (Change::NewlySpared, before),
        _ => return None,
    };
    let policies = denying(&judgement, Some(Mode::Enforce));
    Some(Changed { line, stored, change, policies })
}

/// What becomes of a start, for the test that all entrances agree.
#[cfg(test)]
pub(in crate::commands) fn change(stored: &Stored, sets: [&Policies; 2]) -> Option<Change> {
    changed(1, stored.clone(), sets).map(|changed| changed.change)
}
