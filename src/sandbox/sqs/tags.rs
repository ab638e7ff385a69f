//! `TagQueue`, `UntagQueue` and `ListQueueTags`.

use std::collections::BTreeMap;

use serde_json::json;

use super::{arn, known, queue};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::token_buckets::{self, Bucket};
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// What SQS allows of these three operations together.
const CALLS: Bucket = ("queue tags", 5.0, 5.0);
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

pub(super) fn tag(world: &mut World, request: &Request) -> Answer {
    let arn = limited(world, request)?;
    let tags = given(request.parameters(), "Tags")?;
    if tags.is_empty() {
        return Err(Failure::missing("Tags"));
    }
    add(world, &arn, tags)?;
    Ok(json!({}))
}

pub(super) fn untag(world: &mut World, request: &Request) -> Answer {
    limited(world, request)?;
    let keys = request.parameters().texts("TagKeys");
    if keys.is_empty() {
        return Err(Failure::missing("TagKeys"));
    }
    keys.iter().try_for_each(|key| check_key(key))?;
    let tags = &mut queue(world, request)?.tags;
    for key in keys {
        tags.remove(key);
    }
    Ok(json!({}))
}

/// Lists the tags. A queue without any has no `Tags` in its answer.
pub(super) fn list(world: &mut World, request: &Request) -> Answer {
    limited(world, request)?;
    let tags = &queue(world, request)?.tags;
    Ok(if tags.is_empty() { json!({}) } else { json!({ "Tags": tags }) })
}

/// Reads the tags of a call, and refuses those that SQS does not accept.
pub(super) fn given(
    parameters: Parameters<'_>,
    name: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    let tags = parameters.map(name).map(|(key, value)| {
        check_key(key)?;
        check_value(value)?;
        Ok((key.to_owned(), value.to_owned()))
    });
    tags.collect()
}

/// Adds tags to a queue, all or none: those that it has count, too.
pub(super) fn add(
    world: &mut World,
    arn: &str,
    tags: BTreeMap<String, String>,
) -> Result<(), Failure> {
    let queue = known(world, arn)?;
    let new = tags.keys().filter(|key| !queue.tags.contains_key(*key)).count();
    if queue.tags.len() + new > MAX_TAGS {
        let name = arn.rsplit(':').next().unwrap_or(arn);
        return Err(invalid(&format!("Too many tags added for queue {name}.")));
    }
    queue.tags.extend(tags);
    Ok(())
}

/// Returns the ARN of the queue of a call, and refuses a call that comes too soon.
fn limited(world: &mut World, request: &Request) -> Result<String, Failure> {
    if !token_buckets::take(world, request, &[(CALLS, 1.0)]) {
        return Err(Failure::refused("RequestThrottled", "Request is throttled."));
    }
    arn(world, request)
}

fn check_key(key: &str) -> Result<(), Failure> {
    if !(1..=MAX_KEY).contains(&key.chars().count()) {
        return Err(invalid("Tag keys must be between 1 and 128 characters in length."));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(invalid("Tag keys must not begin with aws:, which is reserved for AWS."));
    }
    check_characters(key)
}

fn check_value(value: &str) -> Result<(), Failure> {
    if value.chars().count() > MAX_VALUE {
        return Err(invalid("Tag values must be between 0 and 256 characters in length."));
    }
    check_characters(value)
}

fn check_characters(text: &str) -> Result<(), Failure> {
    let is_known = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    if text.chars().all(is_known) {
        return Ok(());
    }
    Err(invalid("Tags can only contain letters, digits, white space and _ . : / = + - @"))
}

fn invalid(message: &str) -> Failure {
    Failure::refused("InvalidParameterValue", message)
}
