//! A nomination: an instance that a sweep found, and that is to be worked on as if a message had come.

use time::UtcDateTime;

use crate::inflight::message::Arrival;

/// An instance that a sweep found.
#[derive(Debug)]
pub(crate) struct Nomination {
    /// When it was nominated.
    pub(crate) arrival: Arrival,
    /// When the instance was launched.
    pub(crate) launched: UtcDateTime,
    /// What its owner is told.
    pub(crate) tells: Tells,
}

/// What the owner of an instance that goes on running is told. Of a stop they are always told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    /// What they were not told of this launch before.
    News,
    /// The same as before, too: the instance's own hour of the week has come.
    Again,
    /// Nothing: the instance was launched long before this process began, and an earlier one has told
    /// them what there was to tell. It is told again in its own hour.
    Nothing,
    /// That its exemption ends so soon, such as in `7 days`.
    Expiry(&'static str),
}

impl Nomination {
    /// An instance that is nominated now.
    pub(crate) fn new(launched: UtcDateTime, tells: Tells) -> Self {
        Self { arrival: Arrival::of_nomination(), launched, tells }
    }
}
