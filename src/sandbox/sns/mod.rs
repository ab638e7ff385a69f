//! SNS: standard and FIFO topics, to which queues can subscribe.

mod deliver;
mod publish;
mod subscription;
mod topic;

use super::answer::Answer;
use super::wire::request::Request;
use super::world::World;

pub use publish::Notice;
pub use subscription::Subscription;
pub(super) use subscription::delete_suspended;
pub(super) use topic::{Topic, make};

/// Carries out a call.
pub(super) fn act(world: &mut World, request: &Request) -> Answer {
    match request.operation.as_str() {
        "CreateTopic" => topic::create(world, request),
        "DeleteTopic" => topic::delete(world, request),
        "ListTopics" => Ok(topic::list(world)),
        "GetTopicAttributes" => topic::attributes(world, request),
        "ListSubscriptionsByTopic" => subscription::list(world, request),
        "Subscribe" => topic::subscribe(world, request),
        "Publish" => publish::publish(world, request),
        "PublishBatch" => publish::publish_batch(world, request),
        _ => World::unknown(request),
    }
}
