//! `DescribeTags`, `CreateTags` and `DeleteTags`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::describe::candidates;
use super::filter::Filter;
use super::instance::Instance;
use super::instances::InstanceName;
use super::page::Page;
use super::{instance_ids, unless_dry_run};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::events::tag_change;
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

const FILTERS: [&str; 4] = ["key", "resource-id", "resource-type", "value"];
/// How many tags an instance can have beside those of AWS, which begin with `aws:`.
const MAX_TAGS: usize = 50;
/// How many resources a call can tag.
const MAX_RESOURCES: usize = 1000;

/// Lists tags. Instances that are unknown, terminated or managed by AWS have none, without an
/// error.
pub(super) fn describe(world: &World, request: &Request) -> Answer {
    let filters = Filter::all(request, &FILTERS)?;
    let page = Page::of(world, request)?;
    let shown = candidates(world, request, &[], &filters).filter(|instance| {
        !instance.state.is_gone() && !instance.managed && instance.shows_tags_to("DescribeTags")
    });
    let tags = shown.flat_map(|instance| instance.tags.iter().map(move |tag| (instance, tag)));
    let tags =
        tags.filter(|(instance, tag)| filters.iter().all(|filter| matches(filter, instance, *tag)));
    let (tags, next) = page.cut(tags.map(|(instance, tag)| entry(instance, tag)));
    Ok(json!({ "tagSet": tags, "nextToken": next }))
}

/// Tags all resources of a call or, if one of them would have too many tags, none.
pub(super) fn create(world: &mut World, request: &Request) -> Answer {
    let ids = resources(world, request)?;
    let tags = given(request)?;
    if tags.is_empty() {
        return Err(Failure::missing("Tag"));
    }
    unless_dry_run(request)?;
    for instance in ids.iter().filter_map(|id| instance_ids::find(world, request, id)) {
        check_count(instance, &tags)?;
    }
    for id in &ids {
        change(world, request.instance(id), |kept| kept.extend(tags.clone()));
    }
    Ok(json!({ "return": true }))
}

/// Deletes tags by key or, if no key is given, all but those of AWS. If a value is given, only a tag
/// with this value is deleted.
pub(super) fn delete(world: &mut World, request: &Request) -> Answer {
    let ids = resources(world, request)?;
    let tags: Vec<_> = request.parameters().list("Tag").collect();
    tags.iter().try_for_each(|tag| check_key(tag.text("Key")?))?;
    unless_dry_run(request)?;
    let is_meant = |key: &str, value: &str| {
        if tags.is_empty() {
            return !is_of_aws(key);
        }
        let same = |tag: &&Parameters<'_>| tag.optional("Key") == Some(key);
        let tag = tags.iter().find(same);
        tag.is_some_and(|tag| tag.optional("Value").is_none_or(|given| given == value))
    };
    for id in &ids {
        change(world, request.instance(id), |own| own.retain(|key, value| !is_meant(key, value)));
    }
    Ok(json!({ "return": true }))
}

/// Changes the tags of an instance, if it exists, and sends the event of what has changed.
pub(in crate::sandbox) fn change(
    world: &mut World,
    name: InstanceName<'_>,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) {
    let now = world.now();
    let Some(instance) = world.ec2.instances.get_mut(name) else { return };
    let before = instance.tags.clone();
    instance.change_tags(now, change);
    let changed = changed(&before, &instance.tags);
    tag_change::send(world, name, &changed);
}

/// Sends the event of the tags with which an instance was launched, if it has any.
pub(super) fn launched(world: &mut World, name: InstanceName<'_>) {
    let Some(instance) = world.ec2.instances.get(name) else { return };
    let keys = instance.tags.keys().cloned().collect();
    tag_change::send(world, name, &keys);
}

/// The keys that were added or removed, or whose values are others.
fn changed(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let keys = before.keys().chain(after.keys());
    keys.filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
}

/// Reads the ids of the resources of a call, which are instances here.
fn resources(world: &World, request: &Request) -> Result<Vec<String>, Failure> {
    let ids =
        instance_ids::existing(world, request, "ResourceId").map_err(|failure| {
            match failure.code.as_str() {
                "InvalidInstanceID.Malformed" => Failure::refused("InvalidID", failure.message),
                _ => failure,
            }
        })?;
    match ids.len() {
        0 => Err(Failure::missing("ResourceId")),
        1..=MAX_RESOURCES => Ok(ids),
        count => {
            let message = format!("{count} resources: at most {MAX_RESOURCES} can be tagged");
            Err(Failure::refused("ResourceCountExceeded", message))
        }
    }
}

/// Refuses tags with which an instance would have too many. Those that it has already are not
/// counted twice, and those of AWS are not counted.
fn check_count(instance: &Instance, tags: &BTreeMap<String, String>) -> Result<(), Failure> {
    let keys: BTreeSet<_> = instance.tags.keys().chain(tags.keys()).collect();
    if keys.into_iter().filter(|key| !is_of_aws(key)).count() <= MAX_TAGS {
        return Ok(());
    }
    Err(Failure::refused("TagLimitExceeded", format!("More than {MAX_TAGS} tags specified")))
}

fn is_of_aws(key: &str) -> bool {
    key.starts_with("aws:")
}

/// Reads the tags of a call.
fn given(request: &Request) -> Result<BTreeMap<String, String>, Failure> {
    let tags = request.parameters().list("Tag").map(|tag| {
        let key = tag.text("Key")?;
        check_key(key)?;
        let value = tag.optional("Value").unwrap_or("");
        if value.chars().count() > 256 {
            let message = "Tag value exceeds the maximum length of 256 characters";
            return Err(Failure::refused("InvalidParameterValue", message));
        }
        Ok((key.to_owned(), value.to_owned()))
    });
    tags.collect()
}

pub(super) fn check_key(key: &str) -> Result<(), Failure> {
    if is_of_aws(key) {
        let message = format!(
            "Value ( {key} ) for parameter key is invalid. Tag keys starting with \
             'aws:' are reserved for internal use"
        );
        return Err(Failure::refused("InvalidParameterValue", message));
    }
    if key.is_empty() || key.chars().count() > 128 {
        let message = "Tag key must be between 1 and 128 characters long";
        return Err(Failure::refused("InvalidParameterValue", message));
    }
    Ok(())
}

fn matches(filter: &Filter<'_>, instance: &Instance, (key, value): (&String, &String)) -> bool {
    match filter.name {
        "key" => filter.matches(key),
        "resource-id" => filter.matches(&instance.id),
        "resource-type" => filter.matches("instance"),
        "value" => filter.matches(value),
        name => name.strip_prefix("tag:") == Some(key) && filter.matches(value),
    }
}

fn entry(instance: &Instance, (key, value): (&String, &String)) -> (String, Value) {
    let tag = json!({
        "resourceId": instance.id,
        "resourceType": "instance",
        "key": key,
        "value": value,
    });
    (format!("{}/{key}", instance.id), tag)
}
