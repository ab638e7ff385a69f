//! The SQS queue that events arrive in.

pub(crate) mod attributes;
mod batch;

use std::time::{Duration, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName, QueueAttributeName};

use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::error::{AwsError, Service};
use crate::aws::sqs::attributes::Attributes;
use crate::domain::ids::{Account, Region};
use crate::settings::QueueAddress;

/// The most messages that SQS gives in a receive, and the most entries that it takes in a batch
/// call (SQS quotas).
pub(crate) const BATCH_LIMIT: usize = 10;

/// The receipt handle of a message, which the message is settled by. Each receive of a message
/// gives a new one, and usually only the newest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt(pub String);

/// A message as SQS hands it out.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// SQS's id of the message, the same at every receive.
    pub id: String,
    /// What the message is settled by.
    pub receipt: Receipt,
    /// Up to 1 MiB, of whatever was sent.
    pub body: String,
    /// How often the message was received, this time included.
    pub receives: u32,
    /// When the message was sent to the queue, by SQS's clock.
    pub sent_at: Option<SystemTime>,
}

/// One SQS queue, and the client that calls it.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    client: Client,
    calls: Calls,
    url: String,
}

impl Queue {
    /// The queue at `url`.
    pub(crate) fn new(connection: &Connection, region: &Region, url: String) -> Self {
        let calls = Calls::new(connection, Service::Sqs, region);
        Self { client: Client::new(&connection.sdk_in(region)), calls, url }
    }

    /// The queue at `address`; SQS is asked for the URL where the address has none.
    ///
    /// # Errors
    /// What SQS answered instead, or why it did not answer.
    pub(crate) async fn find(
        connection: &Connection,
        region: &Region,
        address: &QueueAddress,
    ) -> Result<Self, AwsError> {
        let (name, owner) = match address {
            QueueAddress::Url { url, .. } => return Ok(Self::new(connection, region, url.clone())),
            QueueAddress::Arn { name, account, .. } => (name, Some(account)),
            QueueAddress::Name(name) => (name, None),
        };
        let unknown = Self::new(connection, region, String::new());
        let call = unknown
            .client
            .get_queue_url()
            .queue_name(name)
            .set_queue_owner_aws_account_id(owner.map(Account::to_string));
        let answer = unknown.calls.attempt("GetQueueUrl", call.send()).await?;
        let url = answer.queue_url().unwrap_or_default().to_owned();
        Ok(Self { url, ..unknown })
    }

    /// The URL of the queue.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The queue called `name` in the account and the region of this one.
    #[must_use]
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let beside = self.url.rsplit_once('/').map_or("", |(beside, _)| beside);
        Self {
            client: self.client.clone(),
            calls: self.calls.clone(),
            url: format!("{beside}/{name}"),
        }
    }

    /// Reads what the daemon needs to know of the queue.
    ///
    /// # Errors
    /// What SQS answered instead, or why it did not answer.
    pub(crate) async fn attributes(&self) -> Result<Attributes, AwsError> {
        let call = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::All);
        let answer = self.calls.attempt("GetQueueAttributes", call.send()).await?;
        Ok(Attributes::read(answer.attributes()))
    }

    /// Waits up to `wait` for up to [`BATCH_LIMIT`] messages, which stay invisible to other
    /// receivers for `visibility`.
    ///
    /// # Errors
    /// What SQS answered instead, or why it did not answer.
    pub(crate) async fn receive(
        &self,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, AwsError> {
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(whole_secs(wait))
            .visibility_timeout(whole_secs(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let limit = wait + self.calls.limits().beyond_poll;
        let answer = self.calls.attempt_within(limit, "ReceiveMessage", call.send()).await?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(message).collect())
    }
}

/// Reads a message; one without an id or a receipt could not be settled and is left to SQS.
fn message(message: SqsMessage) -> Option<Message> {
    let attribute = |name| {
        let text = message.attributes.as_ref()?.get(&name)?;
        text.parse::<u64>().ok()
    };
    let receives = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
    let sent = attribute(MessageSystemAttributeName::SentTimestamp);
    Some(Message {
        receives: receives.and_then(|count| count.try_into().ok()).unwrap_or(1),
        sent_at: sent.and_then(|ms| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms))),
        id: message.message_id?,
        receipt: Receipt(message.receipt_handle?),
        body: message.body.unwrap_or_default(),
    })
}

/// SQS takes times in whole seconds.
fn whole_secs(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}
