//! What a call to AWS failed with: the error, its class (may it pass, and whose fault is it), and
//! the label that it has in the metrics.

pub(crate) mod table;
mod classify;
pub(super) mod foreign;
pub(super) mod read;

use std::error::Error;
use std::fmt;

/// The AWS service that answered. Some codes mean different things in different services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Sqs,
    Ec2,
    Sns,
    Sts,
}

impl Service {
    /// The label that the service has in the metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Ec2 => "ec2",
            Self::Sns => "sns",
            Self::Sts => "sts",
        }
    }
}

/// What an error means for the messages whose call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// Too many requests: slow down, then make the same call again.
    Throttled,
    /// The service itself failed, or nothing could be sent to it: make the same call again later.
    Transient,
    /// There was no readable answer: the call may have taken effect.
    Unknown,
    /// The credentials, the signature or the whole AWS account are refused.
    Credentials,
    /// The credentials are sound but lack this permission.
    Denied,
    /// The queue, the topic or its key is gone or cannot be used.
    Gone,
    /// The batch or the filter holds too much: split it.
    TooLarge,
    /// EC2 does not know the instance, or not yet.
    NotFound,
    /// The instance cannot be stopped in the state that it is in.
    IncorrectState,
    /// The instance may not be stopped, as where stop protection is on; the message says why.
    NotPermitted,
    /// The instance cannot be stopped, as one of a one-time spot request; the message says why.
    Unsupported,
    /// The instance id does not have EC2's form.
    Malformed,
    /// The receipt no longer holds the message: SQS delivers the message again.
    LeaseLost,
    /// The request was wrong, and will be as wrong the next time.
    Invalid,
}

impl Class {
    /// Whether every further call must fail in the same way, whatever message it is made for.
    pub(crate) fn is_systemic(self) -> bool {
        matches!(self, Self::Credentials | Self::Denied | Self::Gone)
    }
}

/// Why a call to AWS, or one entry of a batch call, failed.
#[derive(Clone, Debug)]
pub(crate) struct AwsError {
    /// What it means for the messages whose call failed.
    pub class: Class,
    /// The code as AWS sent it, such as `UnauthorizedOperation`; without a readable answer, the
    /// code of a row of the table, such as `NotConnected`.
    pub code: String,
    /// What AWS, or the layer that failed, says about it; for people only.
    pub message: String,
}

impl fmt::Display for AwsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl Error for AwsError {}

#[cfg(test)]
mod tests;
