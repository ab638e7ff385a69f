//! A target's name: the account and the region in which instances are looked up and stopped.

use std::fmt;

use crate::domain::event::EventKey;
use crate::domain::ids::{Account, Region};

/// The account and the region of instances that share credentials, EC2's rate limits, and outages.
/// Its text is `123456789012/eu-central-1`, as in the tags that hold stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey {
    /// The account that the instances belong to.
    pub account: Account,
    /// The region that they run in.
    pub region: Region,
}

impl TargetKey {
    /// The target to which the instance of an event belongs.
    pub fn of(event: &EventKey) -> Self {
        Self { account: event.account.clone(), region: event.region.clone() }
    }
}

impl fmt::Display for TargetKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.account, self.region)
    }
}
