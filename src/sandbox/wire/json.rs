//! Writes answers in AWS JSON.

use serde_json::{Value, json};

use crate::sandbox::answer::{Answer, Failure};

/// Error codes of SQS in the query protocol, and the names that AWS JSON has for them, where they
/// differ in more than the prefix.
const SHAPES: [(&str, &str); 8] = [
    ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
    ("QueueAlreadyExists", "QueueNameExists"),
    ("KMS.AccessDeniedException", "KmsAccessDenied"),
    ("KMS.DisabledException", "KmsDisabled"),
    ("KMS.InvalidStateException", "KmsInvalidState"),
    ("KMS.NotFoundException", "KmsNotFound"),
    ("KMS.OptInRequired", "KmsOptInRequired"),
    ("KMS.ThrottlingException", "KmsThrottled"),
];

pub(super) fn body(namespace: &str, answer: &Answer) -> String {
    match answer {
        Ok(fields) => fields.to_string(),
        Err(failure) => error(namespace, failure).to_string(),
    }
}

/// The `x-amzn-query-error` header, from which SDKs read the error code instead of the body.
pub(super) fn query_error(failure: &Failure) -> String {
    let blame = if failure.is_senders() { "Sender" } else { "Receiver" };
    format!("{};{blame}", failure.code)
}

fn error(namespace: &str, failure: &Failure) -> Value {
    let shape = SHAPES.iter().find(|(code, _)| *code == failure.code).map(|(_, shape)| *shape);
    let shape = shape.unwrap_or_else(|| {
        failure.code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(&failure.code)
    });
    json!({ "__type": format!("{namespace}{shape}"), "message": failure.message })
}
