//! What policies are checked against besides their own text: where the daemon works, and what its
//! queue allows.

use std::time::SystemTime;

use super::grace::{self, QueueLimits};
use crate::domain::policy::Policies;
use crate::settings::{Place, Settings, SettingsError};

/// Where the daemon works, and what its queue allows, as AWS says it.
#[derive(Clone, Debug)]
pub struct Site {
    /// The account and the region.
    pub(super) place: Place,
    /// How long and how often a message may wait in the queue.
    pub(super) limits: QueueLimits,
}

impl Site {
    /// Reads the policies of settings, and checks them.
    ///
    /// # Errors
    /// Everything that is wrong with them, or else a grace for which the queue cannot wait.
    pub(super) fn policies(
        &self,
        settings: &Settings,
        now: SystemTime,
    ) -> Result<Policies, SettingsError> {
        let policies = settings.policies(&self.place)?;
        match grace::misfit(&policies, self.limits, now.into()) {
            Some(misfit) => Err(misfit),
            None => Ok(policies),
        }
    }
}
