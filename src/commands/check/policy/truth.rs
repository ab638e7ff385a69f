//! What can be said of a statement: a condition may ask for what nobody here knows.

/// Whether something holds. The least of several is what holds of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    /// It does not.
    No,
    /// Nobody can tell.
    Unknown,
    /// It does.
    Yes,
}

impl Truth {
    /// What is known to hold or not to.
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}
