//! Answers in AWS JSON.

use serde_json::{Value, json};

use crate::sandbox::answer::{Answer, Failure};

/// Query codes of SQS that differ from the name of the error's shape in more than the prefix.
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

/// What `x-amzn-query-error` says: SDKs take their error code from it, not from the body.
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
