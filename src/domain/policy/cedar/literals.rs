//! Checks the entities that a policy names, such as `Instance::"i-…"`: whether there can be such a
//! one, and whether the policy reads anything of another entity than the instance that is judged.

use std::collections::BTreeSet;

use cedar_policy::{EntityUid, Policy};
use serde_json::Value;

use super::refusal::Refusal;
use super::source::{Source, offset};
use super::vocabulary::Vocabulary;
use crate::domain::ids::{Account, InstanceId, Region};

/// What is wrong with the entities that a policy names.
pub(super) fn check(policy: &Policy, source: &Source, vocabulary: &Vocabulary) -> Vec<Refusal> {
    let refusal = |wrong: String, remedy: &str| Refusal::at(source, offset(policy), wrong, remedy);
    let mut refusals = Vec::new();
    for named in policy.entity_literals() {
        if let Some(remedy) = remedy(&named, vocabulary) {
            refusals.push(refusal(format!("there can be no {named}"), remedy));
        }
    }
    // A static policy can always be written as JSON.
    if policy.to_json().is_ok_and(|json| reads_another(&json)) {
        let wrong = "reads something of another entity than the instance that is judged".to_owned();
        let remedy = "write resource, as in resource.hasTag(\"Owner\"): nothing is known of others";
        refusals.push(refusal(wrong, remedy));
    }
    refusals
}

/// What would be right, if there can be no such entity.
fn remedy(named: &EntityUid, vocabulary: &Vocabulary) -> Option<&'static str> {
    let id: &str = named.id().as_ref();
    match named.type_name().basename() {
        "Account" if Account::parse(id).is_none() => Some("give an account of 12 digits"),
        "Region" if Region::parse(id).is_none() => Some("give a region such as eu-central-1"),
        "Instance" if InstanceId::parse(id).is_none() => {
            Some("give an instance id such as i-0123456789abcdef0")
        }
        "AutoScalingGroup" if !is_group(id, vocabulary) => Some(
            "give <account>/<region>/<name>, of an account and a region that policies may name",
        ),
        "Dates" => Some("write resource.dates"),
        _ => None,
    }
}

/// Whether a text names an Auto Scaling group in an account and a region that there are.
fn is_group(id: &str, vocabulary: &Vocabulary) -> bool {
    let parts: Vec<_> = id.splitn(3, '/').collect();
    let [account, region, name] = *parts else { return false };
    let (Some(account), Some(region)) = (Account::parse(account), Region::parse(region)) else {
        return false;
    };
    let is_known = |accounts: &BTreeSet<_>| accounts.contains(&account);
    !name.is_empty()
        && vocabulary.accounts.as_ref().is_none_or(is_known)
        && (vocabulary.regions.is_empty() || vocabulary.regions.contains(&region))
}

/// Whether a policy, in Cedar's JSON format, reads an attribute, a tag or a parent of anything but
/// `resource`, `principal`, `context` and what they have.
fn reads_another(node: &Value) -> bool {
    match node {
        Value::Array(items) => items.iter().any(reads_another),
        Value::Object(fields) => fields.iter().any(|(name, content)| {
            let reads = matches!(&**name, "." | "has" | "hasTag" | "getTag" | "in" | "is");
            let of = content.get("left");
            reads && of.is_some_and(|of| !is_own(of)) || reads_another(content)
        }),
        _ => false,
    }
}

/// Whether an expression is a variable, or an attribute of one.
fn is_own(node: &Value) -> bool {
    let of = |node: &Value| node.get(".")?.get("left").cloned();
    node.get("Var").is_some() || of(node).is_some_and(|of| is_own(&of))
}
