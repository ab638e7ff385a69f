//! What is checked, and how a check can end.

use serde::Serialize;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The settings, by themselves and against the credentials.
    Settings,
    /// Whether the file of the audit trail can be written.
    Audit,
    /// The policies, and how far they go.
    Policies,
    /// What keeps a policy that is wrong from stopping much.
    Brakes,
    /// Whose credentials the daemon has.
    Credentials,
    /// The machine's clock against AWS's.
    Clock,
    /// Whether the queue can be read.
    Queue,
    /// After how many receives a message goes to the dead-letter queue.
    Redrive,
    /// How long a received message is hidden.
    Visibility,
    /// How long messages are kept, here and in the dead-letter queue.
    Retention,
    /// Whether EventBridge and the daemon can use the key that encrypts the queue.
    Encryption,
    /// Whether tags of the queue can hold stops, and whether they do.
    Holds,
    /// Whether a rule feeds the queue.
    Rule,
    /// `sqs:ReceiveMessage`, `DeleteMessage`, `ChangeMessageVisibility`.
    Receiving,
    /// Whether the topic exists and has subscribers.
    Topic,
    /// `sns:Publish`.
    Publishing,
    /// `sns:ListSubscriptionsByTopic`.
    Subscribers,
    /// Whether the role in a member account can be assumed.
    Role,
    /// `ec2:DescribeTags`.
    Tags,
    /// `ec2:DescribeInstances`.
    Instances,
    /// `ec2:StopInstances`.
    Stopping,
    /// Whether IAM denies stops of instances that carry the exception tag.
    Guard,
    /// Whether IAM allows stops of instances whose exception tag has a date, which may be past.
    Expiry,
}

impl Subject {
    /// How the table names it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Audit => "audit trail",
            Self::Policies => "policies",
            Self::Brakes => "brakes",
            Self::Credentials => "credentials",
            Self::Clock => "clock",
            Self::Queue => "queue",
            Self::Redrive => "redrive policy",
            Self::Visibility => "visibility timeout",
            Self::Retention => "retention",
            Self::Encryption => "encryption",
            Self::Holds => "holds",
            Self::Rule => "rule",
            Self::Receiving => "receiving",
            Self::Topic => "topic",
            Self::Publishing => "publishing",
            Self::Subscribers => "subscribers",
            Self::Role => "role",
            Self::Tags => "tags",
            Self::Instances => "instances",
            Self::Stopping => "stopping",
            Self::Guard => "guard",
            Self::Expiry => "expired exemptions",
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// AWS has shown that it is right.
    Ok,
    /// Nothing has shown that it is right, or wrong.
    NotProven,
    /// The daemon works, but not as well as it could.
    Warning,
    /// The daemon cannot work so.
    Failed,
}

impl State {
    /// How the table names it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotProven => "not proven",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}
