//! The member accounts of a world, and what becomes of their roles and regions.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Member as Account, Sandbox};

use super::plan::{Happening, Instance, Plan};
use super::policies::ACCOUNT;
use super::world::World;

/// Credentials that were refused are replaced 5 min after they were fetched at the latest, by a
/// probe that comes within seconds.
const RENEWAL: Duration = Duration::from_secs(330);

/// The member accounts of a world.
#[derive(Debug)]
pub(super) struct Members {
    /// Whether the setting `accounts.ids` is `any`: events of every account count.
    pub any: bool,
    pub accounts: Vec<Member>,
    /// The regions whose events count.
    pub regions: Vec<&'static str>,
    /// What the roles want to hear before they can be assumed.
    pub external_id: Option<&'static str>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub account: String,
    /// Whether its events count.
    pub counts: bool,
    pub role: Role,
}

/// What a member has at the begin of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Sound,
    /// It has no role, and gets none.
    Missing,
    /// There is no such account: somebody forged its events.
    NoAccount,
}

/// What becomes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccountChange {
    /// The role trusts nobody any more. Its credentials are valid until they expire.
    BreakRole,
    /// The role is deleted, and its credentials with it.
    DeleteRole,
    /// The role is as before.
    HealRole,
    /// A region is switched off.
    OptOut(&'static str),
    /// It is switched on again.
    OptIn(&'static str),
}

/// An account and a region.
pub(super) type Target<'r> = (&'r str, &'r str);

impl Instance {
    pub(super) fn target(&self) -> Target<'_> {
        (&self.account, self.region)
    }
}

impl Plan {
    /// Whether calls may be made in an account.
    pub(super) fn counts(&self, account: &str) -> bool {
        let mut accounts = self.members.iter().flat_map(|members| &members.accounts);
        account == ACCOUNT || accounts.any(|member| member.account == account && member.counts)
    }

    /// The instances whose messages may never be settled: those that are poisoned to the end, and
    /// those in accounts and regions that cannot be called to the end.
    pub(super) fn lost(&self) -> BTreeSet<usize> {
        self.poisoned_to_the_end().into_iter().chain(self.unreachable()).collect()
    }

    /// The instances in accounts and regions that cannot be called to the end.
    pub(super) fn unreachable(&self) -> BTreeSet<usize> {
        let unreachable = self.instances.iter().enumerate().filter(|(_, instance)| {
            self.has_no_role(&instance.account) || self.stays_opted_out(instance.target())
        });
        unreachable.map(|(number, _)| number).collect()
    }

    /// Whether the daemon may find, at this time of the story, that it cannot act in an account and
    /// region: until [`RENEWAL`] after that has ended.
    pub(super) fn is_troubled(&self, (account, region): Target<'_>, at: Duration) -> bool {
        let of_target = |change: AccountChange| match change {
            AccountChange::OptOut(one) | AccountChange::OptIn(one) => one == region,
            _ => true,
        };
        let last = self.story.iter().rev().find_map(|(time, happening)| match happening {
            Happening::Account(change, one) if one == account && *time <= at => {
                of_target(*change).then_some((*time, *change))
            }
            _ => None,
        });
        self.has_no_role(account)
            || last.is_some_and(|(time, change)| match change {
                AccountChange::HealRole | AccountChange::OptIn(_) => at <= time + RENEWAL,
                _ => true,
            })
    }

    /// The setting that has all members in the unit `theirs`, in a world with policies.
    pub(super) fn unit_of_members(&self) -> Option<(String, String)> {
        let members = self.members.as_ref().filter(|_| self.policies.is_some())?;
        let accounts: Vec<_> = members.accounts.iter().map(|one| one.account.as_str()).collect();
        Some(("ENFORCER_POLICY__UNITS__THEIRS".to_owned(), accounts.join(",")))
    }

    /// Whether an account never has a role.
    pub(super) fn has_no_role(&self, account: &str) -> bool {
        let mut accounts = self.members.iter().flat_map(|members| &members.accounts);
        accounts.any(|member| member.account == account && member.role != Role::Sound)
    }

    fn stays_opted_out(&self, (account, region): Target<'_>) -> bool {
        let changes = self.account_changes().filter(|(_, one)| *one == account);
        let last = changes.map(|(change, _)| change).rfind(|change| {
            matches!(
                change,
                AccountChange::OptOut(one) | AccountChange::OptIn(one) if *one == region
            )
        });
        matches!(last, Some(AccountChange::OptOut(_)))
    }

    /// What becomes of members, in the order of the story.
    pub(super) fn account_changes(&self) -> impl DoubleEndedIterator<Item = (AccountChange, &str)> {
        self.story.iter().filter_map(|(_, happening)| match happening {
            Happening::Account(change, account) => Some((*change, account.as_str())),
            _ => None,
        })
    }
}

impl World {
    /// Adds the members to the sandbox.
    pub(super) fn add_members(&self) {
        let Some(members) = &self.plan.members else { return };
        for member in members.accounts.iter().filter(|member| member.role != Role::NoAccount) {
            let mut account = Account::of(&member.account);
            if let Some(id) = members.external_id {
                account = account.external_id(id);
            }
            let is_missing = member.role == Role::Missing;
            self.aws.add_account(if is_missing { account.without_role() } else { account });
        }
    }
}

/// Carries out what becomes of a member.
pub(super) fn change(aws: &Sandbox, change: AccountChange, account: &str) {
    match change {
        AccountChange::BreakRole => aws.break_role(account),
        AccountChange::DeleteRole => aws.delete_role(account),
        AccountChange::HealRole => aws.heal_role(account),
        AccountChange::OptOut(region) => aws.opt_out(account, region),
        AccountChange::OptIn(region) => aws.opt_in(account, region),
    }
}
