//! `ReceiveMessage`, and what a long poll waits for.

use std::pin::Pin;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use super::attributes::{RECEIVE_WAIT, VISIBILITY_TIMEOUT};
use super::message::{Message, Visibility};
use super::{arn, known, receipt, redrive, send};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::dates::since_epoch;
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// AWS's limit on the messages of a standard queue that are received and not deleted.
const MAX_IN_FLIGHT: usize = 120_000;
const MAX_WAIT_SECS: i64 = 20;

/// What a long poll that found no message waits for: the first of these three.
#[derive(Debug)]
pub(in crate::sandbox) struct Wait {
    /// A message becomes visible.
    pub(in crate::sandbox) arrival: OwnedNotified,
    /// Something was planned that may come before `next_due`.
    pub(in crate::sandbox) replanned: Pin<Box<OwnedNotified>>,
    /// When the state next changes without a call.
    pub(in crate::sandbox) next_due: Option<Instant>,
}

pub(super) fn receive(world: &mut World, request: &Request) -> Answer {
    let parameters = request.parameters();
    let arn = arn(world, request)?;
    let most = number(parameters, "MaxNumberOfMessages", 1, 10)?.unwrap_or(1);
    number(parameters, "WaitTimeSeconds", 0, MAX_WAIT_SECS)?;
    let timeout = number(parameters, "VisibilityTimeout", 0, 43_200)?;
    let queue = known(world, &arn)?;
    if queue.held() >= MAX_IN_FLIGHT {
        let message = "The maximum number of in flight messages is reached.";
        return Err(Failure::new(403, "OverLimit", message));
    }
    let timeout = timeout.map_or_else(|| queue.seconds(VISIBILITY_TIMEOUT), Duration::from_secs);
    let taken = take(world, &arn, most, timeout)?;
    if taken.is_empty() {
        return Ok(json!({}));
    }
    let messages: Vec<Value> =
        taken.iter().map(|message| delivered(world, message, parameters)).collect();
    Ok(json!({ "Messages": messages }))
}

/// How long a receive waits for a message: as long as the call asks for or, if it asks for nothing,
/// as the queue's setting says.
pub(in crate::sandbox) fn longest_wait(world: &World, request: &Request) -> Duration {
    let asked = number(request.parameters(), "WaitTimeSeconds", 0, MAX_WAIT_SECS).ok().flatten();
    let queue = arn(world, request).ok().and_then(|arn| world.queues.get(&arn));
    asked
        .map(Duration::from_secs)
        .or_else(|| Some(queue?.seconds(RECEIVE_WAIT)))
        .unwrap_or_default()
}

/// What to wait for if this is the answer of a receive that found no message. Called under the same
/// lock as the receive, so that no message arrives unnoticed in between.
pub(in crate::sandbox) fn wait(world: &World, request: &Request, answer: &Answer) -> Option<Wait> {
    let empty = request.operation == "ReceiveMessage"
        && answer.as_ref().is_ok_and(|fields| fields.get("Messages").is_none());
    let queue = arn(world, request).ok().filter(|_| empty);
    let queue = world.queues.get(&queue?)?;
    let arrival = queue.arrivals.clone().notified_owned();
    let replanned = Box::pin(world.schedule.replanned.clone().notified_owned());
    Some(Wait { arrival, replanned, next_due: world.next_due() })
}

/// Receives up to `most` visible messages. One that was received too often is moved to the
/// dead-letter queue instead.
fn take(world: &mut World, arn: &str, most: u64, hold: Duration) -> Result<Vec<Message>, Failure> {
    let (now, wall) = (world.now(), world.wall_clock());
    let policy = redrive::policy(world, arn);
    let queue = known(world, arn)?;
    let (mut taken, mut dead) = (Vec::new(), Vec::new());
    while u64::try_from(taken.len()).is_ok_and(|count| count < most) {
        let Some(message) = queue.next_visible() else { break };
        if policy.as_ref().is_some_and(|policy| message.receive_count >= policy.max_receives) {
            let id = message.id.clone();
            dead.extend(queue.remove(&id));
            continue;
        }
        message.receive_count += 1;
        message.first_received.get_or_insert(wall);
        message.received = Some(now);
        taken.push(message.clone());
    }
    for message in &taken {
        queue.place(&message.id, Visibility::Held { until: now + hold }, now);
    }
    if let Some(policy) = policy {
        redrive::move_to_dead_letters(world, arn, &policy.target, dead);
    }
    Ok(taken)
}

fn delivered(world: &World, message: &Message, parameters: Parameters<'_>) -> Value {
    let mut fields = json!({
        "MessageId": message.id,
        "ReceiptHandle": receipt::handle(&message.id, message.receive_count),
        "Body": message.body,
        "MD5OfBody": send::md5(message.body.as_bytes()),
    });
    let mut names = parameters.texts("AttributeNames");
    names.extend(parameters.texts("MessageSystemAttributeNames"));
    let system = system_attributes(world, message, &names);
    if !system.is_empty() {
        fields["Attributes"] = Value::Object(system);
    }
    let wanted = parameters.texts("MessageAttributeNames");
    let attributes = send::matching(&message.attributes, &wanted);
    if !attributes.is_empty() {
        fields["MD5OfMessageAttributes"] = send::md5_of_attributes(&attributes).into();
        fields["MessageAttributes"] = Value::Object(attributes);
    }
    fields
}

fn system_attributes(world: &World, message: &Message, names: &[&str]) -> Map<String, Value> {
    let ms = |at| since_epoch(at).as_millis().to_string();
    let all = [
        ("ApproximateFirstReceiveTimestamp", message.first_received.map(ms)),
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        ("DeadLetterQueueSourceArn", message.source.clone()),
        ("SenderId", Some(world.options.account.clone())),
        ("SentTimestamp", Some(ms(message.sent))),
    ];
    let wanted = |name: &str| names.contains(&"All") || names.contains(&name);
    let present = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    present
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

fn number(
    parameters: Parameters<'_>,
    name: &str,
    least: i64,
    most: i64,
) -> Result<Option<u64>, Failure> {
    let number = parameters.number_within(name, least, most)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()))
}
