//! The report as a JSON object for programs.

use serde_json::{Value, json};

use super::Found;
use super::standing::Standing;
use super::text::by_policy;

/// An object with the accounts and regions, the exempt instances and the violators.
pub(super) fn report(found: &[Found]) -> anyhow::Result<String> {
    let targets: Vec<_> = found.iter().map(target).collect();
    let exempt = instances(
        found,
        |one| one.is_exempt,
        |one| json!({ "owner": one.owner, "until": Some(one.until()).filter(|until| !until.is_empty()) }),
    );
    let violators = instances(
        found,
        |one| !one.violates.is_empty(),
        |one| json!({ "owner": one.owner, "policies": one.violates }),
    );
    let report = json!({ "targets": targets, "exempt": exempt, "violators": violators });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn target(Found { target, instances }: &Found) -> Value {
    let (account, region) = (target.account.as_str(), target.region.as_str());
    match instances {
        Err(error) => json!({ "account": account, "region": region, "error": error }),
        Ok(instances) => json!({
            "account": account,
            "region": region,
            "running": instances.len(),
            "exempt": instances.iter().filter(|one| one.is_exempt).count(),
            "violating": instances.iter().filter(|one| !one.violates.is_empty()).count(),
            "policies": by_policy(instances),
        }),
    }
}

/// The instances of which something is true, each with where it is and what is told of it besides.
fn instances(
    found: &[Found],
    is_told: impl Fn(&Standing) -> bool,
    told: impl Fn(&Standing) -> Value,
) -> Vec<Value> {
    let mut all = Vec::new();
    for Found { target, instances } in found {
        for one in instances.iter().flatten().filter(|one| is_told(one)) {
            let mut value = json!({
                "account": target.account.as_str(),
                "region": target.region.as_str(),
                "instance": one.instance.as_str(),
            });
            if let (Value::Object(value), Value::Object(more)) = (&mut value, told(one)) {
                value.extend(more);
            }
            all.push(value);
        }
    }
    all
}
