//! The accounts, regions and units that policies may name.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ids::{Account, Region};

/// The names that policies may use, so that a misspelt one is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// The accounts; `None`: every one of 12 digits.
    pub accounts: Option<BTreeSet<Account>>,
    /// The regions.
    pub regions: BTreeSet<Region>,
    /// Named groups of accounts.
    pub units: BTreeMap<String, BTreeSet<Account>>,
}

impl Vocabulary {
    /// The units to which an account belongs.
    pub(super) fn units_of(&self, account: &Account) -> impl Iterator<Item = &str> {
        let has = |(_, accounts): &(&String, &BTreeSet<Account>)| accounts.contains(account);
        self.units.iter().filter(has).map(|(unit, _)| unit.as_str())
    }
}
