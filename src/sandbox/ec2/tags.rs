//! `DescribeTags`, `CreateTags` and `DeleteTags`.

use serde_json::{Value, json};

use super::describe::candidates;
use super::filter::Filter;
use super::instance::Instance;
use super::page::Page;
use super::{instance_ids, unless_dry_run};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

const FILTERS: [&str; 4] = ["key", "resource-id", "resource-type", "value"];
const MAX_TAGS: usize = 50;

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

pub(super) fn create(world: &mut World, request: &Request) -> Answer {
    let ids = instance_ids::existing(world, request, "ResourceId")?;
    unless_dry_run(request)?;
    let tags: Vec<_> = request.parameters().list("Tag").collect();
    for tag in &tags {
        check_key(tag.text("Key")?)?;
    }
    for id in &ids {
        if world.ec2.instances.get(id).is_some_and(|one| one.tags.len() + tags.len() > MAX_TAGS) {
            let message = format!("More than {MAX_TAGS} tags specified");
            return Err(Failure::refused("TagLimitExceeded", message));
        }
    }
    for id in &ids {
        for one in &tags {
            tag(world, id, one.text("Key")?, one.optional("Value").unwrap_or(""));
        }
    }
    Ok(json!({ "return": true }))
}

/// Deletes tags by key. If a value is given, only a tag with this value is deleted.
pub(super) fn delete(world: &mut World, request: &Request) -> Answer {
    let ids = instance_ids::existing(world, request, "ResourceId")?;
    unless_dry_run(request)?;
    let now = world.now();
    for id in &ids {
        let Some(instance) = world.ec2.instances.get_mut(id) else { continue };
        for tag in request.parameters().list("Tag") {
            let (key, value) = (tag.text("Key")?, tag.optional("Value"));
            if instance.tags.get(key).is_some_and(|kept| value.is_none_or(|value| value == kept)) {
                instance.change_tags(now, |tags| drop(tags.remove(key)));
            }
        }
    }
    Ok(json!({ "return": true }))
}

/// Tags an instance, if it exists.
pub(in crate::sandbox) fn tag(world: &mut World, id: &str, key: &str, value: &str) {
    let now = world.now();
    if let Some(instance) = world.ec2.instances.get_mut(id) {
        instance.change_tags(now, |tags| drop(tags.insert(key.to_owned(), value.to_owned())));
    }
}

pub(super) fn check_key(key: &str) -> Result<(), Failure> {
    if key.starts_with("aws:") {
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
