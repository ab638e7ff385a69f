//! What becomes of a start by other policies.

use crate::commands::judging::{denying, faults, is_decided, is_denied, judge};
use crate::domain::policy::Policies;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::stored::Stored;

/// What becomes of a start by other policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::commands) enum Change {
    /// An enforced policy of theirs denies it, and none of the old ones did.
    NewlyStopped,
    /// No enforced policy of theirs denies it, and one of the old ones did.
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

/// A start, as two sets of policies find it.
#[derive(Clone, Debug)]
pub(super) enum Compared {
    /// No policy is asked, since its instance does not run yet, or is gone.
    NotAsked,
    /// The same becomes of it by both.
    Same,
    /// Something else becomes of it.
    Changed(Box<Changed>),
}

/// Compares what becomes of the start on a line by the old policies and by the new ones.
///
/// # Errors
/// A policy that could not be evaluated: it may deny the start or not.
pub(super) fn compared(
    line: usize,
    stored: Stored,
    [old, new]: [&Policies; 2],
) -> Result<Compared, String> {
    let [before, after] = [old, new].map(|policies| judge(policies, &stored));
    if let Some(fault) = faults(&before).chain(faults(&after)).next() {
        return Err(fault);
    }
    if !is_decided(&before) || !is_decided(&after) {
        return Ok(Compared::NotAsked);
    }
    let (change, judgement) = match (is_denied(&before), is_denied(&after)) {
        (false, true) => (Change::NewlyStopped, after),
        (true, false) => (Change::NewlySpared, before),
        _ => return Ok(Compared::Same),
    };
    let policies = denying(&judgement, Some(Mode::Enforce));
    Ok(Compared::Changed(Box::new(Changed { line, stored, change, policies })))
}

/// What becomes of a start, for the test that all entrances agree.
#[cfg(test)]
pub(in crate::commands) fn change(stored: &Stored, sets: [&Policies; 2]) -> Option<Change> {
    match compared(1, stored.clone(), sets) {
        Ok(Compared::Changed(changed)) => Some(changed.change),
        _ => None,
    }
}
