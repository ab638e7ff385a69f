//! `DescribeInstances`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::filter::Filter;
use super::instance::{Instance, Root};
use super::page::Page;
use super::{instance_ids, markup};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;
use crate::sandbox::wire::xml::MARKUP;
use crate::sandbox::world::World;

const FILTERS: [&str; 6] = [
    "instance-id",
    "instance-lifecycle",
    "instance-state-name",
    "root-device-type",
    "tag-key",
    "tag-value",
];

pub(super) fn instances(world: &World, request: &Request) -> Answer {
    let ids = instance_ids::existing(world, request, "InstanceId")?;
    let filters = Filter::all(request, &FILTERS)?;
    if !ids.is_empty() && request.parameters().optional("MaxResults").is_some() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(Failure::refused("InvalidParameterCombination", message));
    }
    let page = Page::of(world, request)?;
    let managed = !ids.is_empty() || request.parameters().flag("IncludeManagedResources");
    let seen = candidates(world, request, &ids, &filters)
        .filter(|instance| managed || !instance.managed)
        .filter(|instance| filters.iter().all(|filter| matches(filter, instance)));
    let (reservations, next) =
        page.cut(seen.map(|instance| (instance.id.clone(), reservation(world, instance))));
    Ok(json!({ "reservationSet": reservations, "nextToken": next }))
}

/// Lists the instances of the call's account and region that can match: those with the ids that are given, or
/// all.
pub(super) fn candidates<'w>(
    world: &'w World,
    request: &'w Request,
    ids: &[String],
    filters: &[Filter<'_>],
) -> Box<dyn Iterator<Item = &'w Instance> + 'w> {
    let by_id = |filter: &&Filter<'_>| matches!(filter.name, "instance-id" | "resource-id");
    let literals = filters.iter().find(by_id).and_then(Filter::literals);
    let wanted: BTreeSet<String> = match literals {
        _ if !ids.is_empty() => ids.iter().cloned().collect(),
        Some(literals) => literals.iter().map(|id| (*id).to_owned()).collect(),
        None => {
            let all = world.ec2.instances.of(&request.account);
            return Box::new(all.filter(|instance| instance.region == request.region));
        }
    };
    Box::new(wanted.into_iter().filter_map(|id| instance_ids::find(world, request, &id)))
}

/// Writes an instance as `DescribeInstances` and `RunInstances` list it.
pub(super) fn instance(world: &World, instance: &Instance) -> Value {
    let tags = instance.shows_tags_to("DescribeInstances").then_some(&instance.tags);
    let tags: Vec<Value> = tags
        .into_iter()
        .flatten()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    let created = world.clock().wall(instance.past.created);
    json!({
        "instanceId": instance.id,
        "instanceState": { "code": instance.state.code(), "name": instance.state.name() },
        "rootDeviceType": root(instance),
        "instanceLifecycle": instance.details.is_spot().then_some("spot"),
        "operator": { "managed": instance.managed },
        "tagSet": tags,
        MARKUP: markup::details(instance, created),
    })
}

/// Writes a reservation with one instance. EC2 would list all instances of a reservation in it;
/// here several entries can have the same reservation id.
fn reservation(world: &World, one: &Instance) -> Value {
    json!({
        "reservationId": one.details.reservation,
        "ownerId": one.account,
        "instancesSet": [instance(world, one)],
    })
}

fn matches(filter: &Filter<'_>, instance: &Instance) -> bool {
    match filter.name {
        "instance-id" => filter.matches(&instance.id),
        "instance-lifecycle" => instance.details.is_spot() && filter.matches("spot"),
        "instance-state-name" => filter.matches(instance.state.name()),
        "root-device-type" => filter.matches(root(instance)),
        "tag-key" => instance.tags.keys().any(|key| filter.matches(key)),
        "tag-value" => instance.tags.values().any(|value| filter.matches(value)),
        name => {
            let key = name.strip_prefix("tag:").unwrap_or(name);
            instance.tags.get(key).is_some_and(|value| filter.matches(value))
        }
    }
}

fn root(instance: &Instance) -> &'static str {
    match instance.details.image.root {
        Root::Ebs => "ebs",
        Root::InstanceStore => "instance-store",
    }
}
