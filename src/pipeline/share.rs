//! The share of a target: how much of what the daemon may hold it may take, so that an account or
//! region whose calls fail, hang or are throttled holds up no other.
//!
//! - No target holds more than a quarter of what all may hold, in the inbox and in all.
//! - A target whose calls to EC2 have been paused for a minute keeps one message for each of its
//!   tasks, to probe with.
//!
//! The messages beyond are hidden for 15 min, doubling with each receive up to 4 h. Nothing of this
//! holds where the own account alone counts, or for a target that is the only one.

use crate::pipeline::target::TargetList;
use crate::settings::Settings;

/// How many targets may fill all places.
const SHARES: usize = 4;

/// The share of each target.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    /// The targets that are open.
    pub(crate) open: TargetList,
    /// Whether targets are limited at all.
    is_limited: bool,
    /// The most messages of a target in the inbox.
    waiting: usize,
    /// The most messages of a target in all.
    held: usize,
}

impl Share {
    /// The share of each of the targets that will be open.
    pub(crate) fn of(settings: &Settings, open: TargetList) -> Self {
        let sizes = &settings.sizes;
        let share = |places: usize| (places / SHARES).max(1);
        Self {
            open,
            is_limited: !settings.accounts.members.are_none(),
            waiting: share(sizes.inbox),
            held: share(sizes.most_held()),
        }
    }

    /// Whether there are targets that another one could hold up.
    pub(crate) fn is_limited(&self) -> bool {
        self.is_limited && self.open.are_several()
    }

    /// Whether a target with so many messages, of which so many wait in the inbox, may have no more.
    pub(crate) fn is_used_up(&self, held: usize, waiting: usize) -> bool {
        held >= self.held || waiting >= self.waiting
    }
}
