//! The report as tables for people.

use std::collections::BTreeMap;

use super::Found;
use super::standing::Standing;
use crate::cli::table::Table;

/// A line for each account and region, and one for each exempt instance.
pub(super) fn report(found: &[Found]) -> String {
    let mut text = places(found).to_string();
    let exempt = exempt(found);
    if !exempt.is_empty() {
        let mut table = Table::headed(["EXEMPT", "ACCOUNT", "REGION", "OWNER", "UNTIL"]);
        for (place, one) in &exempt {
            let until = one.until();
            let until = if until.is_empty() { "without end" } else { &until };
            let (account, region) = (place.target.account.as_str(), place.target.region.as_str());
            table.add([one.instance.as_str(), account, region, &one.owner, until]);
        }
        text = format!("{text}\n{table}");
    }
    text
}

fn places(found: &[Found]) -> Table {
    let mut table =
        Table::headed(["ACCOUNT", "REGION", "RUNNING", "EXEMPT", "VIOLATE", "POLICIES"]);
    let mut all: Vec<&Standing> = Vec::new();
    for Found { target, instances } in found {
        let (account, region) = (target.account.as_str(), target.region.as_str());
        match instances {
            Err(_) => table.add([account, region, "cannot be read", "", "", ""]),
            Ok(instances) => {
                let instances: Vec<_> = instances.iter().collect();
                let [running, exempt, violate, policies] = cells(&instances);
                table.add([account, region, &running, &exempt, &violate, &policies]);
                all.extend(instances);
            }
        }
    }
    if found.len() > 1 {
        let [running, exempt, violate, policies] = cells(&all);
        table.add(["total", "", &running, &exempt, &violate, &policies]);
    }
    table
}

/// How many run, are exempt and violate, and how many of them violate which policy.
fn cells(instances: &[&Standing]) -> [String; 4] {
    let count = |is: fn(&Standing) -> bool| instances.iter().filter(|one| is(one)).count();
    let (exempt, violate) = (count(|one| one.is_exempt), count(|one| !one.violates.is_empty()));
    let policies = by_policy(instances.iter().copied());
    let policies: Vec<_> = policies.iter().map(|(id, count)| format!("{id} {count}")).collect();
    [instances.len().to_string(), exempt.to_string(), violate.to_string(), policies.join(", ")]
}

/// How many instances violate each policy.
pub(super) fn by_policy<'s>(
    instances: impl IntoIterator<Item = &'s Standing>,
) -> BTreeMap<&'s str, usize> {
    let mut counts = BTreeMap::new();
    for policy in instances.into_iter().flat_map(|one| &one.violates) {
        *counts.entry(policy.as_str()).or_default() += 1;
    }
    counts
}

/// The exempt instances: first those whose exemption ends soonest.
fn exempt(found: &[Found]) -> Vec<(&Found, &Standing)> {
    let each = found.iter().flat_map(|place| {
        let instances = place.instances.as_ref().map(Vec::as_slice).unwrap_or_default();
        instances.iter().filter(|one| one.is_exempt).map(move |one| (place, one))
    });
    let mut exempt: Vec<_> = each.collect();
    exempt.sort_by_key(|(_, one)| (one.exemption.ends().is_none(), one.exemption.ends()));
    exempt
}
