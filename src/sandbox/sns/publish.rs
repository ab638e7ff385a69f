//! `Publish` and `PublishBatch`.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::attributes;
use super::deliver::deliver;
use super::notice::{self, Notice};
use super::topic::{self, Topic, invalid, is_fifo, topic};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::batch;
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// The limit on the size of a message with its attributes, and on that of all messages of a batch
/// together.
const MAX_BYTES: usize = 262_144;
/// A subject must have fewer characters than this.
const SUBJECT_LIMIT: usize = 100;
/// How long a FIFO topic suppresses a message with the same deduplication id.
const DEDUPLICATION: Duration = Duration::from_mins(5);

pub(super) fn publish(world: &mut World, request: &Request) -> Answer {
    let arn = topic::known(world, request)?;
    publish_one(world, &arn, request.parameters())
}

/// Publishes the entries of a batch. Attributes that are not valid refuse the whole batch, and so
/// does JSON by protocol that is not; another entry that is not valid fails alone.
pub(super) fn publish_batch(world: &mut World, request: &Request) -> Answer {
    let arn = topic::known(world, request)?;
    let list = "PublishBatchRequestEntries";
    let mut bytes = 0;
    for entry in request.parameters().list(list) {
        bytes += size(entry)?;
        notice::texts(entry)?;
    }
    if bytes > MAX_BYTES {
        let message = "The length of all the messages put together is more than the limit.";
        return Err(Failure::refused("BatchRequestTooLong", message));
    }
    batch::for_each_entry(request.parameters(), list, "", |entry| publish_one(world, &arn, entry))
}

fn publish_one(world: &mut World, arn: &str, parameters: Parameters<'_>) -> Answer {
    let message = parameters.optional("Message").unwrap_or("");
    check_message(message, size(parameters)?)?;
    parameters.optional("Subject").map_or(Ok(()), check_subject)?;
    let texts = notice::texts(parameters)?;
    let notice = Notice {
        at: world.now(),
        message_id: world.ids.uuid().to_string(),
        topic_arn: arn.to_owned(),
        subject: parameters.optional("Subject").map(str::to_owned),
        message: texts.get("default").cloned().unwrap_or_else(|| message.to_owned()),
        texts,
        attributes: attributes::read(parameters)?,
        group_id: parameters.optional("MessageGroupId").map(str::to_owned),
        deduplication_id: parameters.optional("MessageDeduplicationId").map(str::to_owned),
    };
    let answer = json!({ "MessageId": notice.message_id });
    if !is_fifo(arn) || is_new(topic(world, arn)?, &notice)? {
        deliver(world, &notice);
        world.notices.push(notice);
    }
    Ok(answer)
}

/// How many bytes a message takes with its attributes.
fn size(parameters: Parameters<'_>) -> Result<usize, Failure> {
    let message = parameters.optional("Message").unwrap_or_default();
    Ok(message.len() + attributes::bytes(&attributes::read(parameters)?))
}

/// Whether a FIFO topic has not accepted a message with the same deduplication id within the last
/// five minutes. Remembers the id.
fn is_new(topic: &mut Topic, notice: &Notice) -> Result<bool, Failure> {
    if notice.group_id.is_none() {
        return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
    }
    let content = topic.deduplicates_by_content.then(|| notice.message.clone());
    let id = notice.deduplication_id.clone().or(content);
    let id = id.ok_or_else(|| {
        invalid(
            "The topic should either have ContentBasedDeduplication enabled or \
             MessageDeduplicationId provided explicitly",
        )
    })?;
    let fresh = |at: &Instant| notice.at.saturating_duration_since(*at) < DEDUPLICATION;
    if topic.accepted.get(&id).is_some_and(fresh) {
        return Ok(false);
    }
    topic.accepted.insert(id, notice.at);
    Ok(true)
}

fn check_message(message: &str, bytes: usize) -> Result<(), Failure> {
    if message.is_empty() {
        return Err(invalid("Empty message"));
    }
    if bytes > MAX_BYTES {
        return Err(invalid("Message too long"));
    }
    Ok(())
}

/// Refuses a subject that is empty, has 100 characters or more, has a line break or another control
/// character, or begins with white space.
fn check_subject(subject: &str) -> Result<(), Failure> {
    let length = subject.chars().count();
    let sound = (1..SUBJECT_LIMIT).contains(&length)
        && !subject.starts_with(char::is_whitespace)
        && !subject.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    if sound { Ok(()) } else { Err(invalid("Subject")) }
}

#[cfg(test)]
mod tests {
    use super::check_subject;

    #[test]
    fn a_subject_has_under_a_hundred_characters_in_one_line() {
        for good in ["EC2 Violated Company Policy!!", "café", &"x".repeat(99)] {
            assert!(check_subject(good).is_ok(), "{good}");
        }
        for bad in ["", " x", "a\nb", "a\u{2028}b", &"x".repeat(100)] {
            assert!(check_subject(bad).is_err(), "{bad}");
        }
    }
}
