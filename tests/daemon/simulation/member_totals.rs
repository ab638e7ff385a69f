//! Counts what was played that concerns member accounts.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::Evidence;
use super::history::What;
use super::members::{AccountChange, Role};
use super::names::{assumed, ec2_id};
use super::plan::{Instance, Kind, Noise};
use super::policies::ACCOUNT;
use super::result::is_answered;

const NAMES: [&str; 14] = [
    "worlds with members",
    "worlds with any account",
    "members",
    "worlds with four regions",
    "roles assumed",
    "members' instances stopped",
    "stopped instances with the id of another one",
    "roles broken",
    "roles healed",
    "roles missing",
    "regions switched off",
    "credentials renewed",
    "messages of accounts that do not count",
    "messages that name another account's instance",
];

/// What was played that concerns accounts.
pub(super) fn played(evidence: &Evidence<'_>) -> Vec<(&'static str, usize)> {
    let record = evidence.record;
    let Some(members) = &record.plan.members else {
        return NAMES.into_iter().map(|name| (name, 0)).collect();
    };
    let changes = || record.plan.account_changes().map(|(change, _)| change);
    let is_break =
        |one: &AccountChange| matches!(one, AccountChange::BreakRole | AccountChange::DeleteRole);
    let noise = record.history.sent.iter().filter(|sent| {
        matches!(sent.what, What::Noise(Noise::UnlistedAccount | Noise::ForeignAccount))
    });
    let copies = evidence.copies().filter(|(_, _, one)| one.account != ACCOUNT);
    let is_forged = |instance: &&Instance| {
        let has_its_id =
            |one: &Instance| one.id != instance.id && ec2_id(&one.id) == ec2_id(&instance.id);
        instance.kind == Kind::Unknown && record.plan.instances.iter().any(has_its_id)
    };
    let stopped = record.calls.iter().filter(|call| call.account != ACCOUNT);
    let counts = [
        1,
        usize::from(members.any),
        members.accounts.len(),
        usize::from(members.regions.len() == 4),
        evidence.calls("AssumeRole").filter(|call| is_answered(call)).count(),
        stopped.map(|call| call.stopped.len()).sum(),
        equal_ids(evidence),
        changes().filter(is_break).count(),
        changes().filter(|one| *one == AccountChange::HealRole).count(),
        members.accounts.iter().filter(|one| one.role == Role::Missing).count(),
        changes().filter(|one| matches!(one, AccountChange::OptOut(_))).count(),
        renewals(evidence),
        noise.count(),
        copies.filter(|(_, _, instance)| is_forged(instance)).count(),
    ];
    NAMES.into_iter().zip(counts).collect()
}

/// How many instances were stopped whose id an instance of another account has.
fn equal_ids(evidence: &Evidence<'_>) -> usize {
    let mut ids: BTreeMap<_, usize> = BTreeMap::new();
    for instance in &evidence.record.instances {
        *ids.entry(ec2_id(&instance.id)).or_default() += 1;
    }
    let stopped = evidence.record.calls.iter().flat_map(|call| &call.stopped);
    stopped.filter(|id| ids.get(ec2_id(id)).is_some_and(|count| *count > 1)).count()
}

/// How often a process assumed a role that it had assumed before.
fn renewals(evidence: &Evidence<'_>) -> usize {
    let calls = evidence.calls("AssumeRole").filter(|call| is_answered(call));
    let calls: Vec<_> = calls.map(|call| (call.caller.as_str(), assumed(call))).collect();
    calls.len() - calls.iter().collect::<BTreeSet<_>>().len()
}
