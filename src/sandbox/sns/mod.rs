//! SNS: standard and FIFO topics, to which queues can subscribe.

mod attributes;
mod deliver;
mod filter;
mod notice;
mod publish;
mod subscribe;
mod subscription;
mod topic;

use super::answer::Answer;
use super::wire::request::Request;
use super::world::World;

pub use attributes::MessageAttribute;
pub use notice::Notice;
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
        "Subscribe" => subscribe::subscribe(world, request),
        "ConfirmSubscription" => subscribe::confirm(world, request),
        "Unsubscribe" => subscribe::unsubscribe(world, request),
        "ListSubscriptionsByTopic" => subscribe::list(world, request),
        "GetSubscriptionAttributes" => subscribe::attributes(world, request),
        "SetSubscriptionAttributes" => subscribe::set_attributes(world, request),
        "Publish" => publish::publish(world, request),
        "PublishBatch" => publish::publish_batch(world, request),
        _ => World::unknown(request),
    }
}
