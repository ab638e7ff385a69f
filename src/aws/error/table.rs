//! The error table: for every code that is known, its class and its label in the metrics.

use std::borrow::Cow;

use crate::aws::error::Class;
use crate::aws::error::Service::{self, Ec2, Sns, Sqs};

/// What one code means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Who says it.
    pub(super) by: By,
    /// The code, without what [`plain`] takes off.
    pub(crate) code: &'static str,
    /// What it means for the messages whose call failed.
    pub(super) class: Class,
    /// What the metrics call it: words joined by underscores.
    pub(super) label: &'static str,
}

/// Who says a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// This program, where AWS has given no answer or none that can be used.
    Client,
    /// One service, for a call or for an entry of a batch call.
    Only(Service),
    /// One service, for an entry of a batch call.
    Entry(Service),
    /// Every service. AWS appends details to such codes (`ExpiredTokenException`), so that the
    /// row holds for every code that begins like this.
    Any,
}

/// No source of credentials has any. Nothing was sent.
pub(crate) const NO_CREDENTIALS: Row =
    client("NoCredentials", Class::Credentials, "no_credentials");
/// No connection could be made. Nothing was sent.
pub(crate) const NOT_CONNECTED: Row = client("NotConnected", Class::Transient, "not_connected");
/// The call was ready to be sent only after its deadline. Nothing was sent.
pub(crate) const NOT_SENT: Row = client("NotSent", Class::Transient, "not_sent");
/// There was no answer within the time limit.
pub(crate) const TIMEOUT: Row = client("TimeoutError", Class::Unknown, "timeout");
/// The connection was lost before the answer.
pub(crate) const DISPATCH_FAILURE: Row =
    client("DispatchFailure", Class::Unknown, "dispatch_failure");
/// The answer cannot be read.
pub(crate) const RESPONSE_ERROR: Row = client("ResponseError", Class::Unknown, "response_error");
/// The request cannot be built from what it is given.
pub(crate) const CONSTRUCTION_FAILURE: Row =
    client("ConstructionFailure", Class::Invalid, "construction_failure");
/// The answer names no code; its HTTP status, if it tells anything, comes before this class.
pub(crate) const NO_CODE: Row = client("NoCode", Class::Unknown, "no_code");
/// The answer does not mention what was asked for.
pub(crate) const UNANSWERED: Row = client("Unanswered", Class::Transient, "unanswered");
/// A list that comes in pages names a page as its own successor, so that its end is unknown.
pub(crate) const REPEATED_PAGE: Row = client("RepeatedPage", Class::Transient, "repeated_page");
/// A look at instances took so long that what it shows is too old for a stop.
pub(crate) const SLOW_LOOK: Row = client("SlowLook", Class::Transient, "slow_look");
/// STS does not say which account the caller belongs to.
pub(crate) const NO_ACCOUNT: Row = client("NoAccount", Class::Invalid, "no_account");
/// A dry run was answered as if the call had been made.
pub(crate) const NO_DRY_RUN: Row = client("NoDryRun", Class::Invalid, "no_dry_run");

/// All rows. Where several hold for a code, the first one counts.
pub(super) const ROWS: &[Row] = &[
    // Said by this program.
    NO_CREDENTIALS,
    NOT_CONNECTED,
    NOT_SENT,
    TIMEOUT,
    DISPATCH_FAILURE,
    RESPONSE_ERROR,
    CONSTRUCTION_FAILURE,
    NO_CODE,
    UNANSWERED,
    REPEATED_PAGE,
    SLOW_LOOK,
    NO_ACCOUNT,
    NO_DRY_RUN,
    // EC2 about instances.
    only(Ec2, "InvalidInstanceID.NotFound", Class::NotFound, "invalid_instance_id_not_found"),
    only(Ec2, "InvalidInstanceID.Malformed", Class::Malformed, "invalid_instance_id_malformed"),
    only(Ec2, "IncorrectInstanceState", Class::IncorrectState, "incorrect_instance_state"),
    only(Ec2, "OperationNotPermitted", Class::NotPermitted, "operation_not_permitted"),
    only(Ec2, "UnsupportedOperation", Class::Unsupported, "unsupported_operation"),
    only(Ec2, "DryRunOperation", Class::Invalid, "dry_run_operation"),
    // SQS about the queue and its messages.
    only(Sqs, "NonExistentQueue", Class::Gone, "non_existent_queue"),
    only(Sqs, "QueueDoesNotExist", Class::Gone, "queue_does_not_exist"),
    only(Sqs, "ReceiptHandleIsInvalid", Class::LeaseLost, "receipt_handle_is_invalid"),
    only(Sqs, "MessageNotInflight", Class::LeaseLost, "message_not_inflight"),
    only(Sqs, "OverLimit", Class::Throttled, "over_limit"),
    // The entries of this program are well formed, so that SQS can only mean a stale receipt.
    row(By::Entry(Sqs), "InvalidParameterValue", Class::LeaseLost, "invalid_parameter_value"),
    // SNS about the topic.
    only(Sns, "NotFound", Class::Gone, "not_found"),
    only(Sns, "EndpointDisabled", Class::Gone, "endpoint_disabled"),
    // SQS and SNS about the key that encrypts the queue or the topic.
    any("KMSThrottling", Class::Throttled, "kms_throttling"),
    any("KMSThrottled", Class::Throttled, "kms_throttled"),
    any("KMSAccessDenied", Class::Denied, "kms_access_denied"),
    any("KMSOptInRequired", Class::Credentials, "kms_opt_in_required"),
    any("KMSDisabled", Class::Gone, "kms_disabled"),
    any("KMSInvalidKeyUsage", Class::Gone, "kms_invalid_key_usage"),
    any("KMSInvalidState", Class::Gone, "kms_invalid_state"),
    any("KMSNotFound", Class::Gone, "kms_not_found"),
    any("KMS", Class::Gone, "kms"),
    // Too many requests.
    any("BandwidthLimitExceeded", Class::Throttled, "bandwidth_limit_exceeded"),
    any("EC2Throttled", Class::Throttled, "ec2_throttled"),
    any("RequestLimitExceeded", Class::Throttled, "request_limit_exceeded"),
    any("RequestThrottled", Class::Throttled, "request_throttled"),
    any("SlowDown", Class::Throttled, "slow_down"),
    any("Throttled", Class::Throttled, "throttled"),
    any("Throttling", Class::Throttled, "throttling"),
    any("Throttl", Class::Throttled, "throttled"),
    any("TooManyRequests", Class::Throttled, "too_many_requests"),
    // Failures of the service.
    any("InternalError", Class::Transient, "internal_error"),
    any("InternalFailure", Class::Transient, "internal_failure"),
    any("RequestTimeout", Class::Transient, "request_timeout"),
    any("ServiceUnavailable", Class::Transient, "service_unavailable"),
    any("Unavailable", Class::Transient, "unavailable"),
    // Credentials, signatures and accounts.
    any("AuthFailure", Class::Credentials, "auth_failure"),
    any("Blocked", Class::Credentials, "blocked"),
    any("ExpiredToken", Class::Credentials, "expired_token"),
    any("IncompleteSignature", Class::Credentials, "incomplete_signature"),
    any("InvalidClientTokenId", Class::Credentials, "invalid_client_token_id"),
    any("InvalidSignature", Class::Credentials, "invalid_signature"),
    any("MissingAuthenticationToken", Class::Credentials, "missing_authentication_token"),
    any("OptInRequired", Class::Credentials, "opt_in_required"),
    any("PendingVerification", Class::Credentials, "pending_verification"),
    any("RequestExpired", Class::Credentials, "request_expired"),
    any("SignatureDoesNotMatch", Class::Credentials, "signature_does_not_match"),
    any("UnrecognizedClient", Class::Credentials, "unrecognized_client"),
    // Permissions.
    any("AccessDenied", Class::Denied, "access_denied"),
    any("AuthorizationError", Class::Denied, "authorization_error"),
    any("NotAuthorized", Class::Denied, "not_authorized"),
    any("UnauthorizedOperation", Class::Denied, "unauthorized_operation"),
    // Batches and filters.
    any("BatchRequestTooLong", Class::TooLarge, "batch_request_too_long"),
    any("FilterLimitExceeded", Class::TooLarge, "filter_limit_exceeded"),
    any("ResourceCountExceeded", Class::TooLarge, "resource_count_exceeded"),
    any("TooManyEntriesInBatchRequest", Class::TooLarge, "too_many_entries_in_batch_request"),
    // Requests that are wrong.
    any("InvalidParameterValue", Class::Invalid, "invalid_parameter_value"),
    any("InvalidParameter", Class::Invalid, "invalid_parameter"),
];

/// The row for a code that `service` has sent, if there is one. An answer without an HTTP status is
/// an entry of a batch call.
pub(super) fn find(service: Service, code: &str, status: Option<u16>) -> Option<&'static Row> {
    let plain = plain(code);
    ROWS.iter().find(|row| match row.by {
        By::Client => plain == row.code,
        By::Only(speaker) => speaker == service && plain == row.code,
        By::Entry(speaker) => speaker == service && plain == row.code && status.is_none(),
        By::Any => plain.starts_with(row.code),
    })
}

/// A code without what its sender varies: SQS has a legacy code and a shape name for most errors
/// (`AWS.SimpleQueueService.AccessDenied`, `AccessDeniedException`), emulators send either, and a
/// key is `KMS.Disabled`, `KmsDisabled` or `KMSDisabled`.
fn plain(code: &str) -> Cow<'_, str> {
    let code = code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code);
    let code = code.strip_suffix("Exception").unwrap_or(code);
    match code.split_at_checked(3) {
        Some((key, problem)) if key.eq_ignore_ascii_case("KMS") => {
            Cow::Owned(format!("KMS{}", problem.trim_start_matches('.')))
        }
        _ => Cow::Borrowed(code),
    }
}

const fn client(code: &'static str, class: Class, label: &'static str) -> Row {
    row(By::Client, code, class, label)
}

const fn only(service: Service, code: &'static str, class: Class, label: &'static str) -> Row {
    row(By::Only(service), code, class, label)
}

const fn any(code: &'static str, class: Class, label: &'static str) -> Row {
    row(By::Any, code, class, label)
}

const fn row(by: By, code: &'static str, class: Class, label: &'static str) -> Row {
    Row { by, code, class, label }
}
