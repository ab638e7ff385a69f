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
    /// Whether it was to be stopped, now or later, when it was found, minutes before. Otherwise the first
    /// look that wants a stop is not believed: tools remove tags and set them again in two calls.
    pub(crate) may_be_stopped: bool,
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
    /// That its exemption ends.
    Expiry {
        /// When it ends. An owner who has given it another end since is told nothing.
        end: UtcDateTime,
        /// How soon that is, such as `7 days`.
        ahead: &'static str,
    },
}
