//! `DescribeInstances`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::filter::Filter;
use super::instance::{Instance, Lifecycle, Root};
use super::named;
use super::page::Page;
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::dates::rfc3339;
use crate::sandbox::wire::request::Request;
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
    let ids = named::ids(world, request, "InstanceId")?;
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

/// Picks the instances that can match at all: by id where ids are given, else all of the region.
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
            let all = world.ec2.instances.values();
            return Box::new(all.filter(|instance| instance.region == request.region));
        }
    };
    Box::new(wanted.into_iter().filter_map(|id| named::find(world, request, &id)))
}

/// Tells an instance as it stands in lists.
pub(super) fn instance(instance: &Instance) -> Value {
    let spot = instance.lifecycle != Lifecycle::OnDemand;
    let tags = instance.shows_tags_to("DescribeInstances").then_some(&instance.tags);
    let tags: Vec<Value> = tags
        .into_iter()
        .flatten()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    json!({
        "instanceId": instance.id,
        "imageId": instance.image,
        "instanceType": instance.kind,
        "instanceState": { "code": instance.state.code(), "name": instance.state.name() },
        "launchTime": rfc3339(instance.launched),
        "placement": { "availabilityZone": format!("{}a", instance.region), "tenancy": "default" },
        "rootDeviceType": root(instance),
        "rootDeviceName": "/dev/xvda",
        "instanceLifecycle": spot.then_some("spot"),
        "operator": { "managed": instance.managed },
        "tagSet": tags,
    })
}

/// Every instance stands in a reservation, shared or not.
fn reservation(world: &World, one: &Instance) -> Value {
    json!({
        "reservationId": one.reservation,
        "ownerId": world.options.account,
        "instancesSet": [instance(one)],
    })
}

fn matches(filter: &Filter<'_>, instance: &Instance) -> bool {
    match filter.name {
        "instance-id" => filter.matches(&instance.id),
        "instance-lifecycle" => instance.lifecycle != Lifecycle::OnDemand && filter.matches("spot"),
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
    match instance.root {
        Root::Ebs => "ebs",
        Root::InstanceStore => "instance-store",
    }
}
