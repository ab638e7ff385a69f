//! `EventBridge` rules and their targets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pattern;
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// A rule on the default bus.
#[derive(Debug)]
pub(in crate::sandbox) struct EventRule {
    /// The region whose events of the sandbox's own account it gets. None stands for all regions of
    /// all accounts, as if the bus of each of them forwarded its events.
    pub(in crate::sandbox) region: Option<String>,
    pub(in crate::sandbox) pattern: Value,
    /// Queue ARNs by target id.
    pub(in crate::sandbox) targets: BTreeMap<String, String>,
}

pub(super) fn put(world: &mut World, request: &Request) -> Answer {
    let arn = arn(world, request, "Name")?;
    let pattern = pattern::parse(request.parameters().text("EventPattern")?)?;
    let region = Some(request.region.clone());
    let targets = world.rules.remove(&arn).map(|rule| rule.targets).unwrap_or_default();
    world.rules.insert(arn.clone(), EventRule { region, pattern, targets });
    Ok(json!({ "RuleArn": arn }))
}

pub(super) fn list(world: &World, request: &Request) -> Value {
    let here = world.arn("events", &request.region, "rule/");
    let rules = world.rules.iter().filter_map(|(arn, rule)| {
        Some(json!({
            "Name": arn.strip_prefix(&here)?,
            "Arn": arn,
            "EventPattern": rule.pattern.to_string(),
            "State": "ENABLED",
            "EventBusName": "default",
        }))
    });
    json!({ "Rules": rules.collect::<Vec<Value>>() })
}

pub(super) fn delete(world: &mut World, request: &Request) -> Answer {
    let arn = arn(world, request, "Name")?;
    if world.rules.get(&arn).is_some_and(|rule| !rule.targets.is_empty()) {
        let message = "Rule can't be deleted since it has targets.";
        return Err(Failure::refused("ValidationException", message));
    }
    world.rules.remove(&arn);
    Ok(json!({}))
}

/// Adds targets, which can only be queues in the sandbox.
pub(super) fn put_targets(world: &mut World, request: &Request) -> Answer {
    let arn = arn(world, request, "Rule")?;
    let rule = world.rules.get_mut(&arn).ok_or_else(|| no_rule(&arn))?;
    let mut failed = Vec::new();
    for target in request.parameters().list("Targets") {
        let (id, queue) = (target.text("Id")?, target.text("Arn")?);
        if queue.split(':').nth(2) == Some("sqs") {
            rule.targets.insert(id.to_owned(), queue.to_owned());
        } else {
            let message = "The sandbox delivers to queues only.";
            failed.push(json!({
                "TargetId": id,
                "ErrorCode": "ValidationException",
                "ErrorMessage": message,
            }));
        }
    }
    Ok(json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
}

pub(super) fn remove_targets(world: &mut World, request: &Request) -> Answer {
    let arn = arn(world, request, "Rule")?;
    let rule = world.rules.get_mut(&arn).ok_or_else(|| no_rule(&arn))?;
    for id in request.parameters().texts("Ids") {
        rule.targets.remove(id);
    }
    Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

fn arn(world: &World, request: &Request, parameter: &str) -> Result<String, Failure> {
    let name = request.parameters().text(parameter)?;
    Ok(world.arn("events", &request.region, &format!("rule/{name}")))
}

fn no_rule(arn: &str) -> Failure {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    let message = format!("Rule {name} does not exist on EventBus default.");
    Failure::refused("ResourceNotFoundException", message)
}
