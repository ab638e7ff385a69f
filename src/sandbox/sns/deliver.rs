//! Delivers notices to the queues that subscribe to their topic.

use serde_json::{Value, json};

use super::publish::Notice;
use crate::sandbox::dates::rfc3339;
use crate::sandbox::sqs;
use crate::sandbox::world::World;

/// Sends a notice to every subscriber: in SNS's JSON envelope or, with raw delivery, as it is.
pub(super) fn deliver(world: &mut World, notice: &Notice) {
    let subscriptions =
        world.topics.get(&notice.topic_arn).map(|topic| topic.subscriptions.clone());
    for subscription in subscriptions.unwrap_or_default() {
        let body = if subscription.raw {
            notice.message.clone()
        } else {
            envelope(world, notice, &subscription.arn).to_string()
        };
        sqs::send::deliver(world, &subscription.queue, body);
    }
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
