//! The queue that the events arrive in.

use std::time::{Duration, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, Message as SqsMessage, MessageSystemAttributeName,
    QueueAttributeName,
};

use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::entries::{Entries, in_order};
use crate::aws::error::{AwsError, Service, table};
use crate::domain::ids::{Account, Region};
use crate::settings::QueueAddress;

/// The messages of a receive, and the entries of a batch call (SQS quotas).
pub const BATCH_LIMIT: usize = 10;

/// The right to settle one message, as its latest receive gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt(pub String);

/// One message as received.
#[derive(Clone, Debug)]
pub struct Message {
    /// SQS's id; the same at every receive.
    pub id: String,
    /// The right to settle it.
    pub receipt: Receipt,
    /// Up to 1 MiB of anything.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was sent to the queue.
    pub sent_at: Option<SystemTime>,
}

/// What the queue says of itself.
#[derive(Clone, Debug)]
pub struct Attributes {
    /// Its ARN.
    pub arn: Option<String>,
    /// Its account and region, where its ARN can be read.
    pub owner: Option<(Region, Account)>,
    /// How long a received message stays invisible.
    pub visibility_timeout: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// Where a message goes that is received too often; `None` without redrive policy.
    pub redrive: Option<Redrive>,
    /// Who may send to it, as a policy in JSON.
    pub policy: Option<String>,
}

/// Where a message goes that is received too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// How often it is received before SQS moves it.
    pub max_receives: u32,
    /// The ARN of the dead-letter queue; empty where the policy names none.
    pub target: String,
}

/// One SQS queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    calls: Calls,
    url: String,
}

impl Queue {
    /// The queue at `url`.
    pub fn new(connection: &Connection, region: &Region, url: String) -> Self {
        let calls = Calls::new(connection, Service::Sqs, region);
        Self { client: Client::new(&connection.sdk_in(region)), calls, url }
    }

    /// The queue at `address`; SQS is asked for the URL where the address has none.
    ///
    /// # Errors
    /// What SQS or the connection answered instead.
    pub async fn find(
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

    /// Where the queue is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The queue `name` beside this one, of the same account and region.
    #[must_use]
    pub fn sibling(&self, name: &str) -> Self {
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
    /// What SQS or the connection answered instead.
    pub async fn attributes(&self) -> Result<Attributes, AwsError> {
        let call = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::All);
        let answer = self.calls.attempt("GetQueueAttributes", call.send()).await?;
        let text = |name| answer.attributes()?.get(&name).map(String::as_str);
        let secs = |name, default| {
            let secs = text(name).and_then(|secs| secs.parse().ok()).unwrap_or(default);
            Duration::from_secs(secs)
        };
        Ok(Attributes {
            owner: text(QueueAttributeName::QueueArn).and_then(owner),
            visibility_timeout: secs(QueueAttributeName::VisibilityTimeout, 30),
            retention: secs(QueueAttributeName::MessageRetentionPeriod, 345_600),
            redrive: text(QueueAttributeName::RedrivePolicy).and_then(redrive),
            arn: text(QueueAttributeName::QueueArn).map(str::to_owned),
            policy: text(QueueAttributeName::Policy).map(str::to_owned),
        })
    }

    /// Waits up to `wait` for up to [`BATCH_LIMIT`] messages, and hides them for `visibility`.
    ///
    /// # Errors
    /// What SQS or the connection answered instead.
    pub async fn receive(
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

    /// Deletes up to [`BATCH_LIMIT`] messages; the results are in their order.
    ///
    /// # Errors
    /// When the call failed as a whole.
    pub async fn delete(&self, receipts: &[Receipt]) -> Result<Entries, AwsError> {
        let entry = |(at, receipt): (usize, &Receipt)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(&receipt.0)
                .build()
        };
        let entries = receipts.iter().enumerate().map(entry).collect::<Result<_, _>>();
        let call = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.map_err(|error| unbuildable(&error))?));
        let answer = self.calls.attempt("DeleteMessageBatch", call.send()).await?;
        let accepted =
            answer.successful().iter().map(aws_sdk_sqs::types::DeleteMessageBatchResultEntry::id);
        Ok(in_order(receipts.len(), accepted, answer.failed().iter().map(failed)))
    }

    /// Hides up to [`BATCH_LIMIT`] messages for the given times, counted from now; the results
    /// are in their order.
    ///
    /// # Errors
    /// When the call failed as a whole.
    pub async fn change_visibility(
        &self,
        receipts: &[(Receipt, Duration)],
    ) -> Result<Entries, AwsError> {
        let entry = |(at, (receipt, time)): (usize, &(Receipt, Duration))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(&receipt.0)
                .visibility_timeout(whole_secs(*time))
                .build()
        };
        let entries = receipts.iter().enumerate().map(entry).collect::<Result<_, _>>();
        let call = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.map_err(|error| unbuildable(&error))?));
        let answer = self.calls.attempt("ChangeMessageVisibilityBatch", call.send()).await?;
        let accepted = answer
            .successful()
            .iter()
            .map(aws_sdk_sqs::types::ChangeMessageVisibilityBatchResultEntry::id);
        Ok(in_order(receipts.len(), accepted, answer.failed().iter().map(failed)))
    }
}

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

/// Reads `arn:<partition>:sqs:<region>:<account>:<name>`.
fn owner(arn: &str) -> Option<(Region, Account)> {
    let mut parts = arn.split(':').skip(3);
    Some((Region::parse(parts.next()?)?, Account::parse(parts.next()?)?))
}

/// AWS writes the count as a number, some emulators as a string.
fn redrive(policy: &str) -> Option<Redrive> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let count = policy.get("maxReceiveCount")?;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    let target = policy["deadLetterTargetArn"].as_str().unwrap_or_default().to_owned();
    Some(Redrive { max_receives: count.try_into().ok()?, target })
}

fn failed(entry: &BatchResultErrorEntry) -> (&str, AwsError) {
    (entry.id(), AwsError::of_entry(Service::Sqs, entry.code(), entry.message()))
}

fn unbuildable(error: &BuildError) -> AwsError {
    AwsError::of(&table::CONSTRUCTION_FAILURE, error.to_string())
}

fn whole_secs(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}
