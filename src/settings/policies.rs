//! Makes the policies from the settings, once it is known where the daemon works.

use std::collections::{BTreeMap, BTreeSet};

use super::error::SettingsError;
use super::sections::Settings;
use crate::domain::ids::{Account, Region};
use crate::domain::policy::rule::Grace;
use crate::domain::policy::{Policies, Sources, Vocabulary};

/// Where the daemon works, as AWS says it: policies may name these without a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The account that the credentials belong to; `None` where it is not known, as offline: then
    /// policies may name any account.
    pub account: Option<Account>,
    /// The region that counts where the setting `scope.regions` is empty.
    pub default_region: Region,
}

impl Settings {
    /// Reads the policies of these settings, and checks them.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn policies(&self, place: &Place) -> Result<Policies, SettingsError> {
        let policies = Policies::load(&self.sources(), &self.vocabulary(place));
        policies.map_err(SettingsError::Policies)
    }

    /// What the policies are made from.
    pub fn sources(&self) -> Sources {
        let policy = &self.policy;
        let grace = policy.grace.0.zip(policy.since.0);
        Sources {
            exception_tag: policy.exception_tag.clone(),
            builtin: policy.builtin,
            grace: grace.map(|(period, since)| Grace { period, since }),
            cap: policy.mode.0,
            texts: self.policy_texts.clone(),
        }
    }

    /// What the policies may name.
    pub fn vocabulary(&self, place: &Place) -> Vocabulary {
        let policy = &self.policy;
        let others = policy.known.accounts.iter().chain(policy.units.values().flatten());
        let accounts = place.account.iter().chain(others).cloned().collect();
        let own = match self.scope.regions.as_slice() {
            [] => std::slice::from_ref(&place.default_region),
            regions => regions,
        };
        let set = |accounts: &Vec<Account>| accounts.iter().cloned().collect::<BTreeSet<_>>();
        let units = policy.units.iter().map(|(name, accounts)| (name.clone(), set(accounts)));
        Vocabulary {
            accounts: place.account.is_some().then_some(accounts),
            regions: own.iter().chain(&policy.known.regions).cloned().collect(),
            units: units.collect::<BTreeMap<_, _>>(),
        }
    }

    /// Refuses a grace of the built-in policy without its day, and a daemon without any policy.
    pub(super) fn has_a_policy(&self) -> Result<(), SettingsError> {
        let policy = &self.policy;
        match (policy.grace.0, policy.since.0) {
            (Some(_), None) => {
                let remedy = "give the day on which the built-in policy began to bind, such as \
                              \"2026-12-01\", since policy.grace is set";
                return Err(SettingsError::missing("policy.since", remedy));
            }
            (None, Some(since)) => {
                let remedy = "give policy.grace too, or leave it out";
                return Err(SettingsError::text("policy.since", &since.to_string(), remedy));
            }
            _ => {}
        }
        if !policy.builtin && self.policy_texts.is_empty() {
            let remedy = "there is no other policy; name files in policy.files, or leave it true";
            return Err(SettingsError::value("policy.builtin", false, remedy));
        }
        Ok(())
    }
}
