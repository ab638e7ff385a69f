//! Delivers notices to the queues that subscribe to their topic.

use serde_json::{Value, json};

use super::publish::Notice;
use super::subscription::Subscription;
use crate::sandbox::dates::rfc3339;
use crate::sandbox::sqs;
use crate::sandbox::world::World;

/// Sends a notice to every subscriber that gets any: to a queue in SNS's JSON envelope or, with raw
/// delivery, as it is. Other subscribers are only counted.
pub(super) fn deliver(world: &mut World, notice: &Notice) {
    for subscription in subscribers(world, notice).iter().filter(|one| one.protocol == "sqs") {
        let body = if subscription.raw {
            notice.message.clone()
        } else {
            envelope(world, notice, &subscription.arn).to_string()
        };
        sqs::send::deliver(world, &subscription.endpoint, body);
    }
}

/// The subscriptions that get a notice.
fn subscribers(world: &mut World, notice: &Notice) -> Vec<Subscription> {
    let now = world.now();
    let Some(topic) = world.topics.get_mut(&notice.topic_arn) else { return Vec::new() };
    let heard = topic.subscriptions.iter_mut().filter_map(|one| one.gets(now).then(|| one.clone()));
    heard.collect()
}

fn envelope(world: &World, notice: &Notice, subscription: &str) -> Value {
    let host = "https://sns.us-east-1.amazonaws.com";
    let mut envelope = json!({
        "Type": "Notification",
        "MessageId": notice.message_id,
        "TopicArn": notice.topic_arn,
        "Message": notice.message,
        "Timestamp": rfc3339(world.wall_clock()),
        "SignatureVersion": "1",
        "Signature": "unsigned",
        "SigningCertURL": format!("{host}/SimpleNotificationService.pem"),
        "UnsubscribeURL": format!("{host}/?Action=Unsubscribe&SubscriptionArn={subscription}"),
    });
    if let Some(subject) = &notice.subject {
        envelope["Subject"] = subject.as_str().into();
    }
    envelope
}
