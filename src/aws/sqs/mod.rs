//! The SQS queue that events arrive in.

pub(crate) mod attributes;
mod batch;
mod endpoint;
pub(crate) mod tags;

use std::time::{Duration, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName, QueueAttributeName};

use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::date::AnswerDate;
use crate::aws::error::{AwsError, Service, table};
use crate::aws::sqs::attributes::Attributes;
use crate::aws::sqs::endpoint::Called;
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

/// What a poll brought.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The messages, which may be none.
    pub messages: Vec<Message>,
    /// When SQS answered, by its own clock in whole seconds; `None` if it did not say.
    pub date: Option<SystemTime>,
}

/// One SQS queue, and the client that calls it.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    client: Client,
    calls: Calls,
    url: String,
    called: Called,
}

impl Queue {
    /// The queue at `address`, which is called at the host that its URL names, unless the operator
    /// has set an endpoint for SQS. SQS is asked for the URL where the address has none.
    ///
    /// # Errors
    /// What SQS answered instead, or why it did not answer.
    pub(crate) async fn find(
        connection: &Connection,
        region: &Region,
        address: &QueueAddress,
    ) -> Result<Self, AwsError> {
        let called = Called::default();
        let config = endpoint::config(&connection.sdk_in(region), address.route());
        let client = Client::from_conf(config.interceptor(called.clone()).build());
        let calls = Calls::new(connection, Service::Sqs, region);
        let (name, owner) = match address {
            QueueAddress::Url { url, .. } => {
                return Ok(Self { client, calls, url: url.clone(), called });
            }
            QueueAddress::Arn { name, account, .. } => (name, Some(account)),
            QueueAddress::Name(name) => (name, None),
        };
        let call = client
            .get_queue_url()
            .queue_name(name)
            .set_queue_owner_aws_account_id(owner.map(Account::to_string));
        let answer = calls.attempt("GetQueueUrl", call.send()).await?;
        let url = answer.queue_url().ok_or_else(|| unanswered("the queue's URL"))?.to_owned();
        Ok(Self { client, calls, url, called })
    }

    /// The URL of the queue.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where SQS is called: scheme, host and port. `None` before the first call.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.called.origin()
    }

    /// The queue called `name` in the account and the region of this one.
    #[must_use]
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let beside = self.url.rsplit_once('/').map_or("", |(beside, _)| beside);
        Self {
            client: self.client.clone(),
            calls: self.calls.clone(),
            url: format!("{beside}/{name}"),
            called: self.called.clone(),
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
        let listed = answer.attributes().ok_or_else(|| unanswered("the queue's attributes"))?;
        Ok(Attributes::read(listed))
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
    ) -> Result<Received, AwsError> {
        let date = AnswerDate::default();
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
        let call = call.customize().interceptor(date.clone()).send();
        let answer = self.calls.attempt_within(limit, "ReceiveMessage", call).await?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(Received { messages: messages.filter_map(message).collect(), date: date.get() })
    }
}

/// The error of an answer without what was asked for, such as one of which nothing has arrived: an
/// empty text counts as a whole answer in SQS's protocol.
fn unanswered(wanted: &str) -> AwsError {
    AwsError::of(&table::UNANSWERED, format!("the answer is without {wanted}"))
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
