//! The results of calls to AWS that are told apart.

/// Codes as [`crate::aws::error`] knows them, without the prefix of SQS and without `Exception`.
const KNOWN: [&str; 58] = [
    // Without an answer.
    "ConstructionFailure",
    "DispatchFailure",
    "NoCredentials",
    "ResponseError",
    "TimeoutError",
    // Throttled.
    "BandwidthLimitExceeded",
    "EC2Throttled",
    "KMS.Throttling",
    "KMSThrottling",
    "OverLimit",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "Throttled",
    "Throttling",
    "TooManyRequests",
    // Transient.
    "InternalError",
    "InternalFailure",
    "RequestTimeout",
    "ServiceUnavailable",
    "Unavailable",
    // Credentials.
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
    // Denied.
    "AccessDenied",
    "AuthorizationError",
    "KMS.AccessDenied",
    "KMSAccessDenied",
    "NotAuthorized",
    "UnauthorizedOperation",
    // Gone.
    "EndpointDisabled",
    "KMS.Disabled",
    "KMS.NotFound",
    "KMSDisabled",
    "KMSNotFound",
    "NonExistentQueue",
    "NotFound",
    "QueueDoesNotExist",
    // Of one call or one instance.
    "BatchRequestTooLong",
    "FilterLimitExceeded",
    "IncorrectInstanceState",
    "InvalidInstanceID.NotFound",
    "InvalidParameter",
    "InvalidParameterValue",
    "OperationNotPermitted",
    "ReceiptHandleIsInvalid",
    "ResourceCountExceeded",
    "TooManyEntriesInBatchRequest",
    "UnsupportedOperation",
];

/// The label for an error code; whoever answers must not be able to make up labels.
pub fn label(code: &str) -> &'static str {
    let code = code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code);
    let code = code.strip_suffix("Exception").unwrap_or(code);
    KNOWN.into_iter().find(|known| *known == code).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart_by_the_name_that_all_services_share() {
        assert_eq!(label("ThrottlingException"), "Throttling");
        assert_eq!(label("AWS.SimpleQueueService.NonExistentQueue"), "NonExistentQueue");
        assert_eq!(label("InvalidInstanceID.NotFound"), "InvalidInstanceID.NotFound");
    }

    #[test]
    fn a_code_that_nobody_knows_is_other() {
        for code in ["", "i-0abcd1234abcd1234", "Teapot"] {
            assert_eq!(label(code), "other");
        }
    }
}
