//! The subject of a decision: which instance it is about.

use crate::domain::event::EventKey;
use crate::domain::ids::{Account, InstanceId, Region};

/// Which instance a decision is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'id> {
    /// The account that it belongs to.
    pub account: &'id Account,
    /// The region in which it runs.
    pub region: &'id Region,
    /// Its id.
    pub id: &'id InstanceId,
}

impl<'id> From<&'id EventKey> for Subject<'id> {
    fn from(event: &'id EventKey) -> Self {
        Self { account: &event.account, region: &event.region, id: &event.instance }
    }
}
