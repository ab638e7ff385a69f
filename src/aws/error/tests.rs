//! What the error table says of the codes that AWS documents, and that it leaves out none of ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::classify::classify;
use super::table::{By, ROWS};
use super::{AwsError, Class, Service};

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
fn what_may_not_be_stopped_is_its_own_class() {
    assert_class(Service::Ec2, "OperationNotPermitted", 400, Class::NotPermitted);
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
        Class::NotPermitted,
        Class::Unsupported,
        Class::Malformed,
        Class::LeaseLost,
        Class::Invalid,
    ];
    assert!(!passing.into_iter().any(Class::is_systemic));
}

#[test]
fn an_error_reads_code_first() {
    let error = AwsError::of_entry(Service::Sns, "NotFound", Some("Topic does not exist"));
    assert_eq!(error.to_string(), "NotFound: Topic does not exist");
}

fn label(service: Service, code: &str) -> &'static str {
    AwsError::of_entry(service, code, None).label(service)
}

#[test]
fn codes_are_labelled_by_the_name_that_all_services_share() {
    assert_eq!(label(Service::Sns, "ThrottlingException"), "throttling");
    let legacy = "AWS.SimpleQueueService.NonExistentQueue";
    assert_eq!(label(Service::Sqs, legacy), "non_existent_queue");
    assert_eq!(label(Service::Sqs, "KmsDisabled"), "kms_disabled");
    assert_eq!(label(Service::Ec2, "InvalidInstanceID.NotFound"), "invalid_instance_id_not_found");
}

#[test]
fn a_code_that_nobody_knows_is_labelled_other() {
    for code in ["", "i-0abcd1234abcd1234", "Teapot"] {
        assert_eq!(label(Service::Ec2, code), "other");
    }
}

#[test]
fn a_label_is_its_code_in_snake_case() {
    for row in ROWS.iter().filter(|row| !["TimeoutError", "Throttl"].contains(&row.code)) {
        assert_eq!(row.label, snake_case(row.code));
    }
}

#[test]
fn no_two_rows_are_about_the_same() {
    let mut seen = BTreeSet::new();
    for row in ROWS {
        assert!(seen.insert(format!("{:?} {}", row.by, row.code)), "{row:?}");
    }
}

#[test]
fn no_row_hides_a_later_one() {
    for (at, row) in ROWS.iter().enumerate().filter(|(_, row)| row.by == By::Any) {
        let hidden = ROWS[at + 1..].iter().find(|later| later.code.starts_with(row.code));
        assert!(hidden.is_none(), "{row:?} hides {hidden:?}");
    }
}

#[test]
fn every_error_that_the_program_makes_itself_is_a_row() {
    let constants = include_str!("table.rs").matches(": Row =").count();
    assert_eq!(ROWS.iter().filter(|row| row.by == By::Client).count(), constants);
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let source = fs::read_to_string(&path).unwrap();
        let shipped = source.split("#[cfg(test)]").next().unwrap();
        let mut literals = shipped.split("AwsError {").skip(1).map(|rest| rest.split('}').next());
        let made_up = literals.any(|fields| fields.unwrap().contains("code: "));
        assert!(!made_up, "{} has a code that is no row of the table", path.display());
    }
}

/// The files under `folder`, except those of this folder, which build errors of the codes of AWS,
/// and files of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| {
        if path.ends_with("aws/error") || path.ends_with("tests") || path.ends_with("tests.rs") {
            Vec::new()
        } else if path.is_dir() {
            sources(&path)
        } else {
            vec![path]
        }
    };
    entries.flat_map(of).collect()
}

fn snake_case(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    let mut label = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let starts_word = before.is_some_and(|before| {
            let ends_capitals = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
            before.is_alphanumeric() && (!before.is_uppercase() || ends_capitals)
        });
        if letter.is_uppercase() && starts_word {
            label.push('_');
        }
        label.push(if letter.is_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
    }
    label
}
