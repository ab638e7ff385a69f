//! Operations on whole queues: create, find, list, purge, delete.

use serde_json::{Value, json};

use super::queue::Queue;
use super::{arn, attributes, no_such_queue, queue, tags};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// Makes a queue. One that exists with the same attributes is returned as if it were new.
pub(super) fn create(world: &mut World, request: &Request) -> Answer {
    let parameters = request.parameters();
    let name = parameters.text("QueueName")?;
    check_name(name)?;
    attributes::check(world, parameters)?;
    // SQS's model writes this one parameter in lower case.
    let tags = tags::given(parameters, "tags")?;
    let arn = world.arn("sqs", &request.region, name);
    if let Some(queue) = world.queues.get(&arn) {
        check_same(queue, parameters)?;
    } else {
        let mut queue = Queue::new(world.wall_clock());
        queue.set(parameters)?;
        world.queues.insert(arn.clone(), queue);
        tags::add(world, &arn, tags)?;
    }
    Ok(json!({ "QueueUrl": queue_url(world, &request.origin, name) }))
}

pub(super) fn url(world: &World, request: &Request) -> Answer {
    let name = request.parameters().text("QueueName")?;
    let arn = world.arn("sqs", &request.region, name);
    if !world.queues.contains_key(&arn) {
        return Err(no_such_queue());
    }
    Ok(json!({ "QueueUrl": queue_url(world, &request.origin, name) }))
}

pub(super) fn list(world: &World, request: &Request) -> Value {
    let prefix = request.parameters().optional("QueueNamePrefix").unwrap_or("");
    let here = world.arn("sqs", &request.region, "");
    let names = world.queues.keys().filter_map(|arn| arn.strip_prefix(&here));
    let names = names.filter(|name| name.starts_with(prefix));
    let urls: Vec<String> = names.map(|name| queue_url(world, &request.origin, name)).collect();
    if urls.is_empty() { json!({}) } else { json!({ "QueueUrls": urls }) }
}

pub(super) fn delete(world: &mut World, request: &Request) -> Answer {
    let arn = arn(world, request)?;
    world.queues.remove(&arn);
    Ok(json!({}))
}

pub(super) fn purge(world: &mut World, request: &Request) -> Answer {
    queue(world, request)?.clear();
    Ok(json!({}))
}

fn queue_url(world: &World, origin: &str, name: &str) -> String {
    format!("{origin}/{}/{name}", world.options.account)
}

fn check_same(queue: &Queue, parameters: Parameters<'_>) -> Result<(), Failure> {
    let same =
        |(name, value): (&str, &str)| queue.attributes.get(name).is_some_and(|set| set == value);
    if parameters.map("Attributes").all(same) {
        return Ok(());
    }
    let message =
        "A queue already exists with the same name and a different value for an attribute.";
    Err(Failure::refused("QueueAlreadyExists", message))
}

fn check_name(name: &str) -> Result<(), Failure> {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=80).contains(&name.len()) && stem.chars().all(known) {
        return Ok(());
    }
    let message =
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
    Err(Failure::refused("InvalidParameterValue", message))
}
