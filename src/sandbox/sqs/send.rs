//! `SendMessage`, `SendMessageBatch` and the MD5 sums of messages.

use std::time::Duration;

use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use super::attributes::{DELAY, MAX_MESSAGE_SIZE};
use super::message::Message;
use super::{PREFIX, arn, known, prefixed};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::batch;
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// One MiB: the limit on the size of a message, and on that of a whole batch.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// Sends a message as another AWS service does. Returns its id, or none if the queue does not
/// exist.
pub(in crate::sandbox) fn deliver(world: &mut World, arn: &str, body: String) -> Option<String> {
    deliver_with(world, arn, body, Value::Null)
}

/// Sends a message with attributes, as another AWS service does.
pub(in crate::sandbox) fn deliver_with(
    world: &mut World,
    arn: &str,
    body: String,
    attributes: Value,
) -> Option<String> {
    let id = world.ids.uuid().to_string();
    let mut message = Message::new(id.clone(), body, world.wall_clock());
    message.attributes = attributes;
    let delay = world.queues.get(arn)?.seconds(DELAY);
    put(world, arn, message, delay);
    Some(id)
}

pub(super) fn send(world: &mut World, arn: &str, parameters: Parameters<'_>) -> Answer {
    let body = parameters.text("MessageBody")?;
    let id = world.ids.uuid().to_string();
    let mut message = Message::new(id.clone(), body.to_owned(), world.wall_clock());
    message.attributes = parameters.value("MessageAttributes").cloned().unwrap_or_default();
    let queue = known(world, arn)?;
    check(body, queue.number(MAX_MESSAGE_SIZE))?;
    let delay = parameters.number_within("DelaySeconds", 0, 900)?;
    let delay = delay.and_then(|secs| u64::try_from(secs).ok()).map(Duration::from_secs);
    let delay = delay.unwrap_or_else(|| queue.seconds(DELAY));
    let mut answer = json!({ "MessageId": id, "MD5OfMessageBody": md5(body.as_bytes()) });
    if let Value::Object(attributes) = &message.attributes {
        answer["MD5OfMessageAttributes"] = md5_of_attributes(attributes).into();
    }
    put(world, arn, message, delay);
    Ok(answer)
}

/// Puts a message into a queue, and wakes the long polls that wait until an earlier one is due.
fn put(world: &mut World, arn: &str, message: Message, delay: Duration) {
    let now = world.now();
    if let Some(queue) = world.queues.get_mut(arn) {
        queue.put(message, delay, now);
    }
    if !delay.is_zero() {
        world.schedule.replanned.notify_waiters();
    }
}

pub(super) fn send_batch(world: &mut World, request: &Request) -> Answer {
    let arn = arn(world, request)?;
    let bodies =
        request.parameters().list("Entries").filter_map(|entry| entry.optional("MessageBody"));
    if bodies.map(str::len).sum::<usize>() as u64 > MAX_BYTES {
        let message = format!("Batch requests cannot be longer than {MAX_BYTES} bytes.");
        return Err(prefixed("BatchRequestTooLong", message));
    }
    batch::for_each_entry(request.parameters(), "Entries", PREFIX, |entry| send(world, &arn, entry))
}

fn check(body: &str, max_bytes: u64) -> Result<(), Failure> {
    let control = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r');
    if body.is_empty() {
        return Err(Failure::missing("MessageBody"));
    }
    if body.len() as u64 > max_bytes {
        let message = format!(
            "One or more parameters are invalid. Reason: Message must be \
             shorter than {max_bytes} bytes."
        );
        return Err(Failure::refused("InvalidParameterValue", message));
    }
    if body.contains(control) {
        let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | \
                       #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.";
        return Err(Failure::refused("InvalidMessageContents", message));
    }
    Ok(())
}

/// Returns the message attributes that a receive asks for: by name, by `prefix.*`, or with `All`.
pub(super) fn matching(attributes: &Value, wanted: &[&str]) -> Map<String, Value> {
    let asked = |name: &str| {
        wanted.iter().any(|one| match one.strip_suffix(".*") {
            Some(prefix) => name.starts_with(prefix),
            None => *one == "All" || *one == name,
        })
    };
    let all = attributes.as_object().into_iter().flatten();
    all.filter(|(name, _)| asked(name)).map(|(name, one)| (name.clone(), one.clone())).collect()
}

pub(super) fn md5(bytes: &[u8]) -> String {
    format!("{:032x}", u128::from_be_bytes(Md5::digest(bytes).into()))
}

/// The MD5 sum of message attributes, in the encoding that SQS documents for texts and numbers.
pub(super) fn md5_of_attributes(attributes: &Map<String, Value>) -> String {
    let mut encoded = Vec::new();
    for (name, attribute) in attributes {
        let field = |name: &str| attribute.get(name).and_then(Value::as_str).unwrap_or("");
        append(&mut encoded, name);
        append(&mut encoded, field("DataType"));
        encoded.push(1);
        append(&mut encoded, field("StringValue"));
    }
    md5(&encoded)
}

fn append(encoded: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    encoded.extend(length.to_be_bytes());
    encoded.extend(text.as_bytes());
}
