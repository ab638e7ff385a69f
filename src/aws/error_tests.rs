//! One test per row of the error table.

use super::{AwsError, Class, Service, classify};

const SERVICES: [Service; 4] = [Service::Sqs, Service::Ec2, Service::Sns, Service::Sts];

fn assert_class(service: Service, code: &str, status: u16, class: Class) {
    assert_eq!(classify(service, Some(code), Some(status)), class, "{service:?} {code} {status}");
}

/// Asserts it for every service, with the status and (an entry of a batch) without.
fn assert_everywhere(codes: &[&str], status: u16, class: Class) {
    for service in SERVICES {
        for code in codes {
            assert_class(service, code, status, class);
            assert_eq!(classify(service, Some(code), None), class, "{service:?} {code}");
        }
    }
}

#[test]
fn an_instance_in_another_state_is_in_an_incorrect_state() {
    assert_class(Service::Ec2, "IncorrectInstanceState", 400, Class::IncorrectState);
}

#[test]
fn an_instance_that_ec2_does_not_know_is_not_found() {
    assert_class(Service::Ec2, "InvalidInstanceID.NotFound", 400, Class::NotFound);
}

#[test]
fn an_id_without_the_form_of_one_is_malformed() {
    assert_class(Service::Ec2, "InvalidInstanceID.Malformed", 400, Class::Malformed);
}

#[test]
fn stop_protection_is_its_own_class() {
    assert_class(Service::Ec2, "OperationNotPermitted", 400, Class::StopProtected);
}

#[test]
fn an_instance_that_cannot_stop_is_unsupported() {
    assert_class(Service::Ec2, "UnsupportedOperation", 400, Class::Unsupported);
}

#[test]
fn what_ec2_says_of_instances_means_nothing_elsewhere() {
    for code in ["OperationNotPermitted", "AWS.SimpleQueueService.UnsupportedOperation"] {
        assert_class(Service::Sqs, code, 400, Class::Invalid);
    }
    assert_class(Service::Ec2, "NotFound", 400, Class::Invalid);
}

#[test]
fn an_unauthorized_operation_is_denied() {
    assert_everywhere(&["UnauthorizedOperation"], 403, Class::Denied);
}

#[test]
fn a_dry_run_is_left_to_the_preflight() {
    assert_class(Service::Ec2, "DryRunOperation", 412, Class::Invalid);
}

#[test]
fn too_many_requests_are_throttled() {
    let codes = [
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "EC2ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "SlowDown",
        "BandwidthLimitExceeded",
    ];
    for status in [400, 429, 503] {
        assert_everywhere(&codes, status, Class::Throttled);
    }
}

#[test]
fn a_failure_of_the_service_is_transient() {
    let codes = ["InternalError", "InternalFailure", "Unavailable", "ServiceUnavailable"];
    assert_everywhere(&codes, 500, Class::Transient);
}

#[test]
fn any_other_code_with_a_5xx_is_transient() {
    for status in [500, 502, 503, 504] {
        for service in SERVICES {
            assert_class(service, "SomethingNew", status, Class::Transient);
        }
    }
}

#[test]
fn a_batch_over_a_limit_is_too_large() {
    assert_everywhere(&["FilterLimitExceeded", "ResourceCountExceeded"], 400, Class::TooLarge);
    let batch = [
        "BatchRequestTooLong",
        "TooManyEntriesInBatchRequest",
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "BatchRequestTooLongException",
    ];
    assert_everywhere(&batch, 400, Class::TooLarge);
}

#[test]
fn bad_credentials_are_credentials() {
    let codes = [
        "AuthFailure",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "RequestExpired",
        "ExpiredToken",
        "ExpiredTokenException",
        "MissingAuthenticationToken",
        "IncompleteSignature",
    ];
    for status in [400, 401, 403] {
        assert_everywhere(&codes, status, Class::Credentials);
    }
}

#[test]
fn denied_access_is_denied() {
    let codes = ["AccessDenied", "AccessDeniedException", "AWS.SimpleQueueService.AccessDenied"];
    assert_everywhere(&codes, 403, Class::Denied);
}

#[test]
fn an_account_that_aws_holds_back_counts_as_bad_credentials() {
    assert_everywhere(
        &["OptInRequired", "Blocked", "PendingVerification"],
        403,
        Class::Credentials,
    );
}

#[test]
fn no_answer_at_all_is_unknown() {
    for service in SERVICES {
        assert_eq!(classify(service, None, None), Class::Unknown);
        assert_eq!(classify(service, Some(""), None), Class::Unknown);
        assert_eq!(classify(service, None, Some(200)), Class::Unknown);
    }
}

#[test]
fn an_answer_without_a_code_is_judged_by_its_status() {
    for service in SERVICES {
        assert_eq!(classify(service, None, Some(429)), Class::Throttled);
        assert_eq!(classify(service, None, Some(503)), Class::Transient);
        assert_eq!(classify(service, None, Some(400)), Class::Invalid);
    }
}

#[test]
fn sns_asks_for_patience() {
    assert_class(Service::Sns, "Throttled", 429, Class::Throttled);
    assert_class(Service::Sns, "ThrottledException", 429, Class::Throttled);
    assert_class(Service::Sns, "KMSThrottling", 400, Class::Throttled);
    assert_class(Service::Sns, "InternalError", 500, Class::Transient);
}

#[test]
fn a_parameter_that_sns_refuses_is_our_fault() {
    for code in ["InvalidParameter", "InvalidParameterValue", "InvalidParameterException"] {
        assert_class(Service::Sns, code, 400, Class::Invalid);
        assert_eq!(classify(Service::Sns, Some(code), None), Class::Invalid);
    }
}

#[test]
fn a_topic_that_cannot_be_used_is_gone() {
    let codes = [
        "NotFound",
        "NotFoundException",
        "EndpointDisabled",
        "KMSDisabled",
        "KMSNotFound",
        "KMSInvalidState",
    ];
    for code in codes {
        assert_class(Service::Sns, code, 404, Class::Gone);
    }
}

#[test]
fn a_topic_that_may_not_be_used_is_denied() {
    for code in ["AuthorizationError", "AuthorizationErrorException", "KMSAccessDenied"] {
        assert_class(Service::Sns, code, 403, Class::Denied);
    }
    assert_class(Service::Sns, "KMSOptInRequired", 403, Class::Credentials);
}

#[test]
fn a_queue_that_cannot_be_used_is_gone() {
    let codes = [
        "AWS.SimpleQueueService.NonExistentQueue",
        "NonExistentQueue",
        "QueueDoesNotExist",
        "KMS.DisabledException",
        "KMS.InvalidStateException",
        "KMS.NotFoundException",
        "KMS.InvalidKeyUsageException",
        "KmsDisabled",
        "KmsInvalidState",
        "KmsNotFound",
    ];
    for code in codes {
        assert_class(Service::Sqs, code, 400, Class::Gone);
    }
}

#[test]
fn a_queue_that_may_not_be_used_is_denied() {
    for code in ["AccessDenied", "KMS.AccessDeniedException", "KmsAccessDenied"] {
        assert_class(Service::Sqs, code, 403, Class::Denied);
    }
}

#[test]
fn sqs_asks_for_patience() {
    let codes = [
        "RequestThrottled",
        "AWS.SimpleQueueService.RequestThrottled",
        "KMS.ThrottlingException",
        "KmsThrottled",
        "OverLimit",
        "AWS.SimpleQueueService.OverLimit",
    ];
    for code in codes {
        assert_class(Service::Sqs, code, 400, Class::Throttled);
    }
}

#[test]
fn a_receipt_that_no_longer_holds_is_a_lost_lease() {
    let codes = [
        "ReceiptHandleIsInvalid",
        "MessageNotInflight",
        "AWS.SimpleQueueService.ReceiptHandleIsInvalid",
        "AWS.SimpleQueueService.MessageNotInflight",
    ];
    for code in codes {
        assert_class(Service::Sqs, code, 400, Class::LeaseLost);
        assert_eq!(classify(Service::Sqs, Some(code), None), Class::LeaseLost);
    }
}

#[test]
fn a_renewal_of_a_stale_receipt_is_a_lost_lease() {
    let entry = classify(Service::Sqs, Some("InvalidParameterValue"), None);
    assert_eq!(entry, Class::LeaseLost);
    assert_class(Service::Sqs, "InvalidParameterValue", 400, Class::Invalid);
}

#[test]
fn an_unknown_code_is_our_fault() {
    for service in SERVICES {
        assert_class(service, "SomethingNew", 400, Class::Invalid);
        assert_eq!(classify(service, Some("SomethingNew"), None), Class::Invalid);
    }
}

#[test]
fn a_code_in_other_scripts_is_no_trouble() {
    for code in ["é", "日本", "KM日", "AWS.SimpleQueueService.", "Exception"] {
        assert_class(Service::Sqs, code, 400, Class::Invalid);
    }
}

#[test]
fn credentials_denials_and_what_is_gone_are_systemic() {
    assert!([Class::Credentials, Class::Denied, Class::Gone].into_iter().all(Class::is_systemic));
    let passing = [
        Class::Throttled,
        Class::Transient,
        Class::Unknown,
        Class::TooLarge,
        Class::NotFound,
        Class::IncorrectState,
        Class::StopProtected,
        Class::Unsupported,
        Class::Malformed,
        Class::LeaseLost,
        Class::Invalid,
    ];
    assert!(!passing.into_iter().any(Class::is_systemic));
}

#[test]
fn a_failure_reads_code_first() {
    let failure = AwsError {
        class: Class::Gone,
        code: "NotFound".to_owned(),
        message: "Topic does not exist".to_owned(),
    };
    assert_eq!(failure.to_string(), "NotFound: Topic does not exist");
}
