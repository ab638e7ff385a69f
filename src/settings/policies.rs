//! Makes the policies from the settings, once it is known where the daemon works.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::accounts::AccountsSettings;
use super::audit::AuditTags;
use super::error::SettingsError;
use super::policy::{PolicySettings, files};
use super::queue::QueueAddress;
use super::scope::ScopeSettings;
use super::sections::Settings;
use crate::domain::ids::{Account, Region};
use crate::domain::members::Members;
use crate::domain::policy::attribute::Attribute;
use crate::domain::policy::reads::{AUTO_SCALING_GROUP, KEY_LIMIT, Reads};
use crate::domain::policy::rule::Grace;
use crate::domain::policy::{Policies, Source, Sources, Vocabulary};

/// Where the daemon works, as AWS says it: policies may name these without a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The account that the credentials belong to; `None` where it is not known, as offline: then
    /// policies may name any account.
    pub account: Option<Account>,
    /// The region that counts where the setting `scope.regions` is empty.
    pub default_region: Region,
}

/// The settings that policies are made from. Nothing else has to be right for work on policies.
#[derive(Clone, Debug, Deserialize)]
pub struct PolicySections {
    /// The section `[policy]`.
    pub policy: PolicySettings,
    /// The section `[scope]`.
    pub scope: ScopeSettings,
    /// The section `[accounts]`.
    pub accounts: AccountsSettings,
    /// Where the queue is, if that is known: its region counts where the scope names none.
    queue: QueueSection,
    /// The texts of the policies, once they are read.
    #[serde(skip)]
    pub texts: Vec<Source>,
}

/// As much of the section `[queue]` as policies depend on.
#[derive(Clone, Debug, Deserialize)]
struct QueueSection {
    url: Option<QueueAddress>,
}

impl Settings {
    /// Reads the policies of these settings, and checks them.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn policies(&self, place: &Place) -> Result<Policies, SettingsError> {
        let sections = self.policy_sections();
        let region = Some(&place.default_region);
        let vocabulary = sections.vocabulary_in(place.account.as_ref(), region);
        let policies = Policies::load(&sections.sources(), &vocabulary);
        let policies = policies.map_err(SettingsError::Policies)?.also_reading(self.also_reads());
        let keys = policies.reads().tags.len();
        if keys <= KEY_LIMIT {
            return Ok(policies);
        }
        let remedy = format!(
            "with the other settings they make {keys} tag keys, and at most {KEY_LIMIT} can be \
             asked for; mention fewer"
        );
        Err(SettingsError::text("policy.files", &self.policy.files.join(", "), remedy))
    }

    /// What is read of an instance beside what policies mention.
    fn also_reads(&self) -> Reads {
        let mut reads = self.notice.reads();
        if self.budget.stops > 0 {
            // Each launch counts, and groups that start anew what is stopped are told of.
            reads.attributes.insert(Attribute::LaunchTime);
            reads.tags.insert(AUTO_SCALING_GROUP.to_owned());
        }
        if self.sweep.is_on() {
            // Instances that have just started are left to their events, and each launch is told once.
            reads.attributes.insert(Attribute::LaunchTime);
        }
        if self.audit.is_on() {
            // It says which launch was stopped, by which a stop can be undone.
            reads.attributes.insert(Attribute::LaunchTime);
            reads.all_tags = self.audit.tags == AuditTags::All;
        }
        reads
    }

    pub(super) fn policy_sections(&self) -> PolicySections {
        PolicySections {
            policy: self.policy.clone(),
            scope: self.scope.clone(),
            accounts: self.accounts.clone(),
            queue: QueueSection { url: Some(self.queue.address.clone()) },
            texts: self.policy_texts.clone(),
        }
    }
}

impl PolicySections {
    /// Reads the policies that the settings name.
    ///
    /// # Errors
    /// A pattern that matches no file, a file that cannot be read, and settings without any policy.
    pub fn read_texts(&mut self) -> Result<(), SettingsError> {
        self.texts = files::sources(&self.policy)?;
        self.have_a_policy()
    }

    /// What the policies are made from.
    pub fn sources(&self) -> Sources {
        let policy = &self.policy;
        let grace = policy.grace.0.zip(policy.since.0);
        Sources {
            exception_tag: policy.exception_tag.clone(),
            exception_expires: policy.exception_expires,
            builtin: policy.builtin,
            grace: grace.map(|(period, since)| Grace { period, since }),
            cap: policy.mode.0,
            texts: self.texts.clone(),
        }
    }

    /// What the policies may name, as far as the settings alone tell it. Without an account they
    /// may name any, and without a region any.
    pub fn vocabulary(&self, account: Option<&Account>) -> Vocabulary {
        let region = match &self.queue.url {
            Some(QueueAddress::Url { region, .. }) => region.as_ref(),
            Some(QueueAddress::Arn { region, .. }) => Some(region),
            Some(QueueAddress::Name(_)) | None => None,
        };
        self.vocabulary_in(account.or(self.scope.account.as_ref()), region)
    }

    fn vocabulary_in(&self, account: Option<&Account>, default: Option<&Region>) -> Vocabulary {
        let policy = &self.policy;
        let others = policy.known.accounts.iter().chain(policy.units.values().flatten());
        let members = match &self.accounts.members {
            Members::Listed(accounts) => Some(accounts),
            // Whatever account's events reach the queue.
            Members::Any => None,
        };
        let accounts = members.zip(account).map(|(members, own)| {
            [own].into_iter().chain(members).chain(others).cloned().collect()
        });
        let own: Vec<_> = match self.scope.regions.as_slice() {
            [] => default.into_iter().collect(),
            regions => regions.iter().collect(),
        };
        let known = if own.is_empty() { &[] } else { policy.known.regions.as_slice() };
        let set = |accounts: &Vec<Account>| accounts.iter().cloned().collect::<BTreeSet<_>>();
        let units = policy.units.iter().map(|(name, accounts)| (name.clone(), set(accounts)));
        Vocabulary {
            accounts,
            regions: own.into_iter().chain(known).cloned().collect(),
            units: units.collect::<BTreeMap<_, _>>(),
        }
    }

    /// Refuses a grace of the built-in policy without its day, and a daemon without any policy.
    pub(super) fn have_a_policy(&self) -> Result<(), SettingsError> {
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
        if !policy.builtin && self.texts.is_empty() {
            let remedy = "there is no other policy; name files in policy.files, or leave it true";
            return Err(SettingsError::value("policy.builtin", false, remedy));
        }
        Ok(())
    }
}
