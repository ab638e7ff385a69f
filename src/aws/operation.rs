//! The calls to AWS that the pipeline makes, by AWS's own names.

use std::fmt;

use crate::domain::ids::Region;

/// An AWS operation that can fail for everybody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// SQS ReceiveMessage.
    Receive,
    /// SQS DeleteMessageBatch.
    Delete,
    /// SQS ChangeMessageVisibilityBatch.
    ChangeVisibility,
    /// SNS PublishBatch.
    Publish,
    /// EC2 DescribeTags in a region.
    DescribeTags(Region),
    /// EC2 DescribeInstances in a region.
    DescribeInstances(Region),
    /// EC2 StopInstances in a region.
    StopInstances(Region),
}

impl Operation {
    /// What AWS calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Receive => "ReceiveMessage",
            Self::Delete => "DeleteMessageBatch",
            Self::ChangeVisibility => "ChangeMessageVisibilityBatch",
            Self::Publish => "PublishBatch",
            Self::DescribeTags(_) => "DescribeTags",
            Self::DescribeInstances(_) => "DescribeInstances",
            Self::StopInstances(_) => "StopInstances",
        }
    }

    /// The region whose messages alone a failure holds up.
    pub fn region(&self) -> Option<&Region> {
        match self {
            Self::Receive | Self::Delete | Self::ChangeVisibility | Self::Publish => None,
            Self::DescribeTags(region)
            | Self::DescribeInstances(region)
            | Self::StopInstances(region) => Some(region),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())?;
        self.region().map_or(Ok(()), |region| write!(formatter, " in {region}"))
    }
}
