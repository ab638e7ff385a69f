//! The member accounts that `--accounts` adds beside the sandbox's own account.

use crate::sandbox::{Launch, Member, Sandbox};

/// The members are numbered from here on.
const FIRST: usize = 200_000_000_001;

/// Adds members, until there are this many accounts. The role of each trusts the sandbox's own
/// account.
pub(super) fn add(sandbox: &Sandbox, accounts: usize) {
    for number in 1..accounts {
        sandbox.add_account(Member::of((FIRST + number - 1).to_string()));
    }
}

/// What is launched in each member: an instance that the tag exempts, and two violators.
pub(super) fn launches(sandbox: &Sandbox, tag: &str) -> Vec<Launch> {
    let kinds = |account: String| {
        let kinds = [
            Launch::default().tagged(tag, "yes"),
            Launch::default(),
            Launch::default().tagged("Owner", "web-team"),
        ];
        kinds.map(|launch| launch.without_key().account(&account))
    };
    sandbox.accounts().into_iter().skip(1).flat_map(kinds).collect()
}

/// Spreads instances over all accounts. Neighbours share an account, so that each account has as
/// many exempt ones as another.
pub(super) fn spread(sandbox: &Sandbox, launches: Vec<Launch>) -> Vec<Launch> {
    let (accounts, count) = (sandbox.accounts(), launches.len());
    let placed = launches.into_iter().enumerate();
    placed.map(|(at, launch)| launch.account(&accounts[at * accounts.len() / count])).collect()
}
