//! The member accounts: those besides the credentials' own whose instances count.

use std::collections::BTreeSet;

use crate::domain::ids::Account;

/// The accounts, besides the one that the daemon's credentials belong to, whose instances count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// These; none, where only the own account counts.
    Listed(BTreeSet<Account>),
    /// Every account whose events reach the queue: the queue's policy says who may send them, and
    /// each account's role whether the daemon may act there.
    Any,
}

impl Members {
    /// Whether the instances of an account count.
    pub fn has(&self, account: &Account) -> bool {
        match self {
            Self::Listed(accounts) => accounts.contains(account),
            Self::Any => true,
        }
    }

    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        matches!(self, Self::Listed(accounts) if accounts.is_empty())
    }
}

impl Default for Members {
    /// None.
    fn default() -> Self {
        Self::Listed(BTreeSet::new())
    }
}
