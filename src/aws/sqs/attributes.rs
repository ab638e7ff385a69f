//! What a queue says of itself, read from the texts that SQS lists its attributes as.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;

use crate::domain::ids::{Account, Region};

/// The visibility timeout of a queue that tells none: the one that SQS gives to new queues.
const USUAL_VISIBILITY_SECS: u64 = 30;
/// The retention of a queue that tells none: the one that SQS gives to new queues.
const USUAL_RETENTION_SECS: u64 = 4 * 24 * 60 * 60;

/// What a queue says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    /// The ARN of the queue.
    pub arn: Option<String>,
    /// The region and the account of the queue, if its ARN can be read.
    pub owner: Option<(Region, Account)>,
    /// How long a received message stays invisible to other receivers.
    pub visibility_timeout: Duration,
    /// How long SQS keeps a message that nobody deletes.
    pub retention: Duration,
    /// When and where SQS moves messages that are received too often; `None` without a redrive
    /// policy.
    pub redrive: Option<Redrive>,
    /// About how many messages are held by consumers, or hidden until later.
    pub in_flight: u64,
    /// Who may send to the queue, as an IAM policy in JSON.
    pub policy: Option<String>,
    /// The key of KMS that encrypts the messages, as it was given: an id, an ARN or an alias.
    pub key: Option<String>,
}

/// The redrive policy of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    /// How often a message is received before SQS moves it to the dead-letter queue.
    pub max_receives: u32,
    /// The ARN of the dead-letter queue; empty if the policy names none.
    pub target: String,
}

impl Attributes {
    /// Reads the attributes as SQS lists them, by name.
    pub(super) fn read(listed: &HashMap<QueueAttributeName, String>) -> Self {
        let text = |name| listed.get(&name).map(String::as_str);
        let secs = |name, usual| {
            let secs = text(name).and_then(|secs| secs.parse().ok());
            Duration::from_secs(secs.unwrap_or(usual))
        };
        Self {
            arn: text(QueueAttributeName::QueueArn).map(str::to_owned),
            owner: text(QueueAttributeName::QueueArn).and_then(owner),
            visibility_timeout: secs(QueueAttributeName::VisibilityTimeout, USUAL_VISIBILITY_SECS),
            retention: secs(QueueAttributeName::MessageRetentionPeriod, USUAL_RETENTION_SECS),
            redrive: text(QueueAttributeName::RedrivePolicy).and_then(redrive),
            in_flight: text(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
                .and_then(|count| count.parse().ok())
                .unwrap_or_default(),
            policy: text(QueueAttributeName::Policy).map(str::to_owned),
            key: text(QueueAttributeName::KmsMasterKeyId)
                .filter(|key| !key.is_empty())
                .map(str::to_owned),
        }
    }
}

/// Reads the owner from `arn:<partition>:sqs:<region>:<account>:<name>`.
fn owner(arn: &str) -> Option<(Region, Account)> {
    let mut parts = arn.split(':').skip(3);
    Some((Region::parse(parts.next()?)?, Account::parse(parts.next()?)?))
}

/// Reads `{"maxReceiveCount": 20, "deadLetterTargetArn": "arn:…"}`. AWS writes the count as a
/// number, some emulators as a string.
fn redrive(policy: &str) -> Option<Redrive> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let count = policy.get("maxReceiveCount")?;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    let target = policy["deadLetterTargetArn"].as_str().unwrap_or_default().to_owned();
    Some(Redrive { max_receives: count.try_into().ok()?, target })
}
