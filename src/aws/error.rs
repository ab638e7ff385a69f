//! The error table: what failed, may it pass, whose fault is it.

use std::error::Error;
use std::fmt;

/// Who answered. Some codes mean different things in different services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Sqs,
    Ec2,
    Sns,
    Sts,
}

impl Service {
    /// Its short name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Ec2 => "ec2",
            Self::Sns => "sns",
            Self::Sts => "sts",
        }
    }
}

/// What a failure means for the messages that it held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Too many requests: slow down, then the same again.
    Throttled,
    /// A failure of the service itself: the same again, later.
    Transient,
    /// A time-out or a lost connection: the call may have taken effect.
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
    /// Stop protection is on.
    StopProtected,
    /// This kind of instance cannot be stopped: one-time spot, or an instance-store root.
    Unsupported,
    /// The instance id does not have EC2's form.
    Malformed,
    /// The receipt no longer holds the message: SQS delivers it again.
    LeaseLost,
    /// The request was wrong, and is as wrong the next time.
    Invalid,
}

impl Class {
    /// Tells whether every further call must fail the same way, whatever its message.
    pub fn is_systemic(self) -> bool {
        matches!(self, Self::Credentials | Self::Denied | Self::Gone)
    }
}

/// A call to AWS, or one entry of a batch, that failed.
#[derive(Clone, Debug)]
pub struct AwsError {
    pub class: Class,
    pub code: String,
    pub message: String,
}

impl AwsError {
    /// An answer that does not say what became of what was asked for.
    pub(crate) fn unanswered(message: &str) -> Self {
        let (class, code) = (Class::Transient, "Unanswered".to_owned());
        Self { class, code, message: message.to_owned() }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl Error for AwsError {}

/// Looks an error up by its code, and by its HTTP status where the code says nothing.
///
/// An entry of a batch has a code and no status: leave the status out, for a stale receipt is
/// told from a wrong request by that.
pub fn classify(service: Service, code: Option<&str>, status: Option<u16>) -> Class {
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        return by_status(status).unwrap_or(Class::Unknown);
    };
    // SQS has a legacy code and a shape name for most errors; emulators send either.
    let code = code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code);
    let code = code.strip_suffix("Exception").unwrap_or(code);
    by_service(service, code, status)
        .or_else(|| by_key(code))
        .or_else(|| by_code(code))
        .or_else(|| by_status(status))
        .unwrap_or(Class::Invalid)
}

/// Looks up the codes that mean something in one service only.
fn by_service(service: Service, code: &str, status: Option<u16>) -> Option<Class> {
    let class = match (service, code) {
        (Service::Ec2, "InvalidInstanceID.NotFound") => Class::NotFound,
        (Service::Ec2, "InvalidInstanceID.Malformed") => Class::Malformed,
        (Service::Ec2, "IncorrectInstanceState") => Class::IncorrectState,
        (Service::Ec2, "OperationNotPermitted") => Class::StopProtected,
        (Service::Ec2, "UnsupportedOperation") => Class::Unsupported,
        (Service::Sqs, "NonExistentQueue" | "QueueDoesNotExist")
        | (Service::Sns, "NotFound" | "EndpointDisabled") => Class::Gone,
        (Service::Sqs, "ReceiptHandleIsInvalid" | "MessageNotInflight") => Class::LeaseLost,
        // Our entries are well formed; a renewal is refused so once its receipt is stale. A whole
        // call that is refused so, with a status, is our fault.
        (Service::Sqs, "InvalidParameterValue") if status.is_none() => Class::LeaseLost,
        (Service::Sqs, "OverLimit") => Class::Throttled,
        _ => return None,
    };
    Some(class)
}

/// Looks up what went wrong with the KMS key of a queue (`KMS.Disabled`, `KmsDisabled`) or of a
/// topic (`KMSDisabled`).
fn by_key(code: &str) -> Option<Class> {
    let (service, problem) = code.split_at_checked(3)?;
    if !service.eq_ignore_ascii_case("KMS") {
        return None;
    }
    let class = match problem.trim_start_matches('.') {
        "Throttling" | "Throttled" => Class::Throttled,
        "AccessDenied" => Class::Denied,
        "OptInRequired" => Class::Credentials,
        _ => Class::Gone,
    };
    Some(class)
}

/// Looks up the codes that mean the same in every service.
fn by_code(code: &str) -> Option<Class> {
    const THROTTLED: [&str; 7] = [
        "BandwidthLimitExceeded",
        "EC2Throttled",
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttl",
        "TooManyRequests",
        "SlowDown",
    ];
    const TRANSIENT: [&str; 5] =
        ["InternalError", "InternalFailure", "RequestTimeout", "ServiceUnavailable", "Unavailable"];
    const CREDENTIALS: [&str; 12] = [
        "AuthFailure",
        "Blocked",
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignature",
        "MissingAuthenticationToken",
        "OptInRequired",
        "PendingVerification",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
    ];
    const DENIED: [&str; 4] =
        ["AccessDenied", "AuthorizationError", "NotAuthorized", "UnauthorizedOperation"];
    const TOO_LARGE: [&str; 4] = [
        "BatchRequestTooLong",
        "FilterLimitExceeded",
        "ResourceCountExceeded",
        "TooManyEntriesInBatchRequest",
    ];
    let table: [(&[&str], Class); 5] = [
        (&THROTTLED, Class::Throttled),
        (&TRANSIENT, Class::Transient),
        (&CREDENTIALS, Class::Credentials),
        (&DENIED, Class::Denied),
        (&TOO_LARGE, Class::TooLarge),
    ];
    let row =
        table.into_iter().find(|(starts, _)| starts.iter().any(|start| code.starts_with(start)));
    row.map(|(_, class)| class)
}

fn by_status(status: Option<u16>) -> Option<Class> {
    match status? {
        429 => Some(Class::Throttled),
        408 | 500..=599 => Some(Class::Transient),
        400..=499 => Some(Class::Invalid),
        _ => None,
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
