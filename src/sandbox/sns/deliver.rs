//! Delivers notices to the subscribers of their topic.

use serde_json::{Value, json};

use super::attributes;
use super::notice::Notice;
use super::subscription::Subscription;
use crate::sandbox::dates::rfc3339;
use crate::sandbox::sqs;
use crate::sandbox::world::World;

/// SQS's limit on the attributes of a message. With raw delivery, SNS drops a message with more.
const MAX_RAW_ATTRIBUTES: usize = 10;

/// Sends a notice to every subscriber that gets it: to a queue in SNS's JSON envelope or, with raw
/// delivery, as it is. Other subscribers are only counted.
pub(super) fn deliver(world: &mut World, notice: &Notice) {
    for subscription in subscribers(world, notice).iter().filter(|one| one.protocol == "sqs") {
        let queue = &subscription.endpoint;
        if !subscription.raw {
            let envelope = envelope(world, notice, &subscription.arn);
            sqs::send::deliver(world, queue, envelope.to_string());
        } else if notice.attributes.len() <= MAX_RAW_ATTRIBUTES {
            let text = notice.text_for("sqs").to_owned();
            sqs::send::deliver_with(world, queue, text, attributes::raw(&notice.attributes));
        }
    }
}

/// The subscriptions that get a notice.
fn subscribers(world: &mut World, notice: &Notice) -> Vec<Subscription> {
    let now = world.now();
    let Some(topic) = world.topics.get_mut(&notice.topic_arn) else { return Vec::new() };
    let heard = topic.subscriptions.iter_mut().filter_map(|one| {
        let passes = one.filter.passes(notice, &one.protocol);
        (passes && one.gets(now)).then(|| one.clone())
    });
    heard.collect()
}

fn envelope(world: &World, notice: &Notice, subscription: &str) -> Value {
    let host = "https://sns.us-east-1.amazonaws.com";
    let mut envelope = json!({
        "Type": "Notification",
        "MessageId": notice.message_id,
        "TopicArn": notice.topic_arn,
        "Message": notice.text_for("sqs"),
        "Timestamp": rfc3339(world.wall_clock()),
        "SignatureVersion": "1",
        "Signature": "unsigned",
        "SigningCertURL": format!("{host}/SimpleNotificationService.pem"),
        "UnsubscribeURL": format!("{host}/?Action=Unsubscribe&SubscriptionArn={subscription}"),
    });
    if let Some(subject) = &notice.subject {
        envelope["Subject"] = subject.as_str().into();
    }
    if !notice.attributes.is_empty() {
        envelope["MessageAttributes"] = attributes::enveloped(&notice.attributes);
    }
    envelope
}
