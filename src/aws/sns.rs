//! The SNS topic that notices are published to.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry, Subscription};

use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::entries::{Entries, in_order};
use crate::aws::error::{AwsError, Service, table};
use crate::domain::notice::Notice;
use crate::domain::notice::attributes::Value;
use crate::settings::TopicArn;

/// The most entries that PublishBatch takes (SNS quotas).
pub(crate) const PUBLISH_LIMIT: usize = 10;

/// SNS's id of a message that it accepted; empty if it did not say one.
pub(crate) type MessageId = String;

/// One SNS topic, and the client that calls it.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    client: Client,
    calls: Calls,
    arn: String,
    fifo: bool,
}

/// What a topic says of its subscriptions, as far as it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    /// How many subscriptions get its notices.
    pub confirmed: Option<u32>,
    /// How many subscriptions nobody has confirmed yet; they get nothing.
    pub pending: Option<u32>,
}

/// Who is subscribed to a topic. Only confirmed subscriptions count: the others get nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscribers {
    /// Nobody.
    Nobody,
    /// Somebody, and nobody by e-mail.
    NoMail,
    /// Somebody by e-mail, as text or as JSON. SNS suspends such a subscription when it gets more
    /// than 10 messages a second.
    Mail,
}

impl Topic {
    /// The topic, which is reached in the region that its ARN names.
    pub(crate) fn new(connection: &Connection, topic: &TopicArn) -> Self {
        let client = Client::new(&connection.sdk_in(&topic.region));
        let calls = Calls::new(connection, Service::Sns, &topic.region);
        Self { client, calls, arn: topic.arn.clone(), fifo: topic.fifo }
    }

    /// The ARN of the topic.
    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// Publishes up to [`PUBLISH_LIMIT`] notices. The results are in the order of the notices: SNS's
    /// id of the message for each that it accepted.
    ///
    /// # Errors
    /// Why the call failed as a whole.
    pub(crate) async fn publish(
        &self,
        notices: &[&Notice],
    ) -> Result<Entries<MessageId>, AwsError> {
        let entries = notices.iter().enumerate().map(|(at, notice)| self.entry(at, notice));
        let entries = entries.collect::<Result<_, _>>()?;
        let call = self
            .client
            .publish_batch()
            .topic_arn(&self.arn)
            .set_publish_batch_request_entries(Some(entries));
        let answer = self.calls.attempt("PublishBatch", call.send()).await?;
        let accepted = answer.successful().iter().filter_map(|entry| {
            Some((entry.id()?, entry.message_id().unwrap_or_default().to_owned()))
        });
        let failed = answer.failed().iter().map(|entry| {
            (entry.id(), AwsError::of_entry(Service::Sns, entry.code(), entry.message()))
        });
        Ok(in_order(notices.len(), accepted, failed))
    }

    /// Reads how many subscriptions the topic has. Publishes nothing.
    ///
    /// # Errors
    /// What SNS answered instead, or why it did not answer.
    pub(crate) async fn attributes(&self) -> Result<Attributes, AwsError> {
        let call = self.client.get_topic_attributes().topic_arn(&self.arn);
        let answer = self.calls.attempt("GetTopicAttributes", call.send()).await?;
        let count = |name| answer.attributes()?.get(name)?.parse().ok();
        Ok(Attributes {
            confirmed: count("SubscriptionsConfirmed"),
            pending: count("SubscriptionsPending"),
        })
    }

    /// Reads who is subscribed to the topic, page by page until somebody is by e-mail.
    ///
    /// # Errors
    /// What SNS answered instead, or why it did not answer.
    pub(crate) async fn subscribers(&self) -> Result<Subscribers, AwsError> {
        let list = self.client.list_subscriptions_by_topic().topic_arn(&self.arn);
        let mut pages = list.into_paginator().send();
        let mut subscribers = Subscribers::Nobody;
        while let Some(page) =
            self.calls.next_page("ListSubscriptionsByTopic", pages.next()).await?
        {
            for subscription in page.subscriptions().iter().filter(|one| is_confirmed(one)) {
                if matches!(subscription.protocol(), Some("email" | "email-json")) {
                    return Ok(Subscribers::Mail);
                }
                subscribers = Subscribers::NoMail;
            }
        }
        Ok(subscribers)
    }

    /// The entry of a batch call for one notice. A FIFO topic also wants the group that the notice
    /// keeps its order in, and an id by which SNS drops repeats.
    fn entry(&self, at: usize, notice: &Notice) -> Result<PublishBatchRequestEntry, AwsError> {
        let mut entry = PublishBatchRequestEntry::builder()
            .id(at.to_string())
            .message(notice.message())
            .set_message_structure(notice.structure().map(str::to_owned))
            .set_subject(notice.subject().map(str::to_owned))
            .set_message_group_id(self.fifo.then(|| notice.group_id.clone()))
            .set_message_deduplication_id(self.fifo.then(|| notice.deduplication_id.clone()));
        for (name, value) in notice.attributes() {
            entry = entry.message_attributes(name, attribute(value).map_err(unbuilt)?);
        }
        entry.build().map_err(unbuilt)
    }
}

fn attribute(value: &Value) -> Result<MessageAttributeValue, BuildError> {
    let attribute = MessageAttributeValue::builder().data_type(value.data_type());
    attribute.string_value(value.as_str()).build()
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives values")]
fn unbuilt(error: BuildError) -> AwsError {
    AwsError::of(&table::CONSTRUCTION_FAILURE, error.to_string())
}

/// Whether a subscription is confirmed. SNS writes `PendingConfirmation` or `Deleted` in place of
/// the ARN of others.
fn is_confirmed(subscription: &Subscription) -> bool {
    subscription.subscription_arn().is_some_and(|arn| arn.starts_with("arn:"))
}
