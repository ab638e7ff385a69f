//! What EC2 said instead of doing something, for the person who has to do something about it.

use crate::aws::error::{AwsError, Class};

/// The codes by which EC2 says that it lacks room for the instances of a call. Their HTTP status is
/// that of a failure of EC2, but they do not pass within a minute.
const CAPACITY: &str = "Insufficient";

/// Whether EC2 lacks room for the instances of a call.
pub(super) fn is_capacity(error: &AwsError) -> bool {
    error.code.trim_start_matches("Server.").starts_with(CAPACITY)
}

/// An error, with what can be done about it.
pub(super) fn told(error: &AwsError) -> String {
    match error.class {
        Class::Denied => format!("{error}; give the role what deploy/iam/undo.json allows"),
        Class::Transient | Class::Unknown if !is_capacity(error) => {
            format!("{error}; run the command again")
        }
        _ if is_capacity(error) => format!("{error}; run the command again later"),
        _ => error.to_string(),
    }
}
