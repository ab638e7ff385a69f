//! All instances, by account and id.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::instance::Instance;

/// Names an instance. The id alone does not: two accounts can have instances with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct InstanceName<'a> {
    pub(in crate::sandbox) account: &'a str,
    pub(in crate::sandbox) id: &'a str,
}

/// The instances of all accounts. In an account, no id occurs in two regions.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Instances(BTreeMap<String, BTreeMap<String, Instance>>);

impl Instances {
    pub(in crate::sandbox) fn get(&self, name: InstanceName<'_>) -> Option<&Instance> {
        self.0.get(name.account)?.get(name.id)
    }

    pub(in crate::sandbox) fn get_mut(&mut self, name: InstanceName<'_>) -> Option<&mut Instance> {
        self.0.get_mut(name.account)?.get_mut(name.id)
    }

    pub(in crate::sandbox) fn remove(&mut self, name: InstanceName<'_>) -> Option<Instance> {
        self.0.get_mut(name.account)?.remove(name.id)
    }

    pub(super) fn insert(&mut self, instance: Instance) {
        let account = self.0.entry(instance.account.clone()).or_default();
        account.insert(instance.id.clone(), instance);
    }

    /// The instances of an account in the order of their ids.
    pub(in crate::sandbox) fn of(&self, account: &str) -> impl Iterator<Item = &Instance> {
        self.0.get(account).into_iter().flat_map(BTreeMap::values)
    }

    /// All instances as they were at a moment.
    pub(in crate::sandbox) fn as_of(&self, moment: Instant) -> Self {
        let mut past = Self::default();
        for instance in self.0.values().flat_map(BTreeMap::values) {
            if let Some(instance) = instance.as_of(moment) {
                past.insert(instance);
            }
        }
        past
    }
}
