//! The operations of AWS that the pipeline calls, by AWS's own names.

use std::fmt;

use crate::domain::target::TargetKey;

/// An operation that may fail for every message alike, so that its failures are counted and paused
/// together: one queue and one topic for the whole daemon, and EC2 in each account and region by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// SQS ReceiveMessage.
    Receive,
    /// SQS DeleteMessageBatch.
    Delete,
    /// SQS ChangeMessageVisibilityBatch.
    ChangeVisibility,
    /// SNS PublishBatch, to the owners.
    Publish,
    /// SNS PublishBatch, to the operators. No message waits for it.
    PublishToOperators,
    /// EC2 DescribeTags in an account and region.
    DescribeTags(TargetKey),
    /// EC2 DescribeInstances there.
    DescribeInstances(TargetKey),
    /// EC2 StopInstances there.
    StopInstances(TargetKey),
}

impl Operation {
    /// The operations that are not of a target, and for which messages wait.
    pub(crate) const GLOBAL: [Self; 4] =
        [Self::Receive, Self::Delete, Self::ChangeVisibility, Self::Publish];

    /// AWS's name for the operation; notices to operators have a name of their own.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Receive => "ReceiveMessage",
            Self::Delete => "DeleteMessageBatch",
            Self::ChangeVisibility => "ChangeMessageVisibilityBatch",
            Self::Publish => "PublishBatch",
            Self::PublishToOperators => "PublishToOperators",
            Self::DescribeTags(_) => "DescribeTags",
            Self::DescribeInstances(_) => "DescribeInstances",
            Self::StopInstances(_) => "StopInstances",
        }
    }

    /// Whether messages wait while it fails.
    pub(crate) fn holds_messages(&self) -> bool {
        *self != Self::PublishToOperators
    }

    /// The target whose messages a failure holds up; without one, it holds up all messages.
    pub(crate) fn target(&self) -> Option<&TargetKey> {
        match self {
            Self::Receive
            | Self::Delete
            | Self::ChangeVisibility
            | Self::Publish
            | Self::PublishToOperators => None,
            Self::DescribeTags(target)
            | Self::DescribeInstances(target)
            | Self::StopInstances(target) => Some(target),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())?;
        self.target().map_or(Ok(()), |target| write!(formatter, " in {target}"))
    }
}
