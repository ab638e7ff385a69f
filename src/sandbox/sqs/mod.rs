//! SQS: standard queues, with visibility timeouts, long polls and dead-letter queues.

mod attributes;
pub(super) mod message;
pub(super) mod queue;
mod queues;
pub(super) mod receipt;
pub(super) mod receive;
pub(super) mod redrive;
pub(super) mod send;
mod settle;
pub(super) mod tags;

use super::answer::{Answer, Failure};
use super::batch;
use super::wire::parameters::Parameters;
use super::wire::request::Request;
use super::world::World;

use queue::Queue;

/// The prefix of most error codes in the query protocol, which SDKs still report.
const PREFIX: &str = "AWS.SimpleQueueService.";

/// Carries out a call.
pub(super) fn act(world: &mut World, request: &Request) -> Answer {
    let parameters = request.parameters();
    match request.operation.as_str() {
        "CreateQueue" => queues::create(world, request),
        "GetQueueUrl" => queues::url(world, request),
        "ListQueues" => Ok(queues::list(world, request)),
        "DeleteQueue" => queues::delete(world, request),
        "PurgeQueue" => queues::purge(world, request),
        "GetQueueAttributes" => attributes::read(world, request),
        "SetQueueAttributes" => attributes::write(world, request),
        "TagQueue" => tags::tag(world, request),
        "UntagQueue" => tags::untag(world, request),
        "ListQueueTags" => tags::list(world, request),
        "ReceiveMessage" => receive::receive(world, request),
        "SendMessage" => send::send(world, &arn(world, request)?, parameters),
        "SendMessageBatch" => send::send_batch(world, request),
        "DeleteMessage" => settle::delete(world, &arn(world, request)?, parameters),
        "DeleteMessageBatch" => entries(world, request, settle::delete),
        "ChangeMessageVisibility" => settle::change(world, &arn(world, request)?, parameters),
        "ChangeMessageVisibilityBatch" => entries(world, request, settle::change),
        _ => World::unknown(request),
    }
}

/// Carries out each entry of a batch.
fn entries(
    world: &mut World,
    request: &Request,
    one: fn(&mut World, &str, Parameters<'_>) -> Answer,
) -> Answer {
    let arn = arn(world, request)?;
    batch::for_each_entry(request.parameters(), "Entries", PREFIX, |entry| one(world, &arn, entry))
}

/// Returns the ARN of the queue whose URL a call has.
fn arn(world: &World, request: &Request) -> Result<String, Failure> {
    let url = request.parameters().text("QueueUrl")?;
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let arn = world.arn("sqs", &request.region, name);
    let known = account == world.options.account && world.queues.contains_key(&arn);
    if known { Ok(arn) } else { Err(no_such_queue()) }
}

fn queue<'w>(world: &'w mut World, request: &Request) -> Result<&'w mut Queue, Failure> {
    let arn = arn(world, request)?;
    known(world, &arn)
}

fn known<'w>(world: &'w mut World, arn: &str) -> Result<&'w mut Queue, Failure> {
    world.queues.get_mut(arn).ok_or_else(no_such_queue)
}

fn no_such_queue() -> Failure {
    prefixed("NonExistentQueue", "The specified queue does not exist.")
}

fn prefixed(code: &str, message: impl Into<String>) -> Failure {
    Failure::refused(&format!("{PREFIX}{code}"), message)
}
