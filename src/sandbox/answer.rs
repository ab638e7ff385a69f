//! The result of a call, before it is encoded as JSON or XML: the fields of an answer, or an error
//! of AWS.

use serde_json::Value;

use super::wire::service::{Protocol, Service};

/// The fields of the answer under the names that AWS's protocols give them, or an error.
pub(super) type Answer = Result<Value, Failure>;

/// An error with which AWS answers a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct Failure {
    /// The HTTP status.
    pub(super) status: u16,
    /// The error code as the query protocol spells it, such as
    /// `AWS.SimpleQueueService.NonExistentQueue`.
    pub(super) code: String,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    /// An error that is the caller's fault: HTTP status 400.
    pub(super) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        let message = format!("The request must contain the parameter {parameter}.");
        Self::refused("MissingParameter", message)
    }

    pub(super) fn invalid_value(value: &str, parameter: &str, reason: &str) -> Self {
        let message =
            format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}");
        Self::refused("InvalidParameterValue", message)
    }

    pub(super) fn unknown_operation(service: Service, operation: &str) -> Self {
        match service.protocol() {
            Protocol::Json { .. } => Self::refused("UnknownOperationException", ""),
            Protocol::Query { .. } | Protocol::Ec2 => Self::refused(
                "InvalidAction",
                format!("The action {operation} is not valid for this web service."),
            ),
        }
    }

    /// Whether the error is the caller's fault, and not the service's (status 500 and above).
    pub(super) fn is_senders(&self) -> bool {
        self.status < 500
    }
}
