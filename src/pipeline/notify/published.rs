//! The results of one PublishBatch call.

use super::writer::Pending;
use crate::aws::error::{AwsError, Class};
use crate::aws::sns::MessageId;
use crate::retry::attempts::{Attempt, Next};

/// The results of one PublishBatch call.
pub(super) struct Published {
    /// Notices that are to be published again.
    pub(super) again: Vec<Pending>,
    /// Whether SNS accepted at least one.
    pub(super) some_accepted: bool,
    /// Whether SNS gave no answer for at least one.
    pub(super) some_unanswered: bool,
    /// The last error of a notice that is to be published again as it is; `None` if there was none.
    error: Option<AwsError>,
}

impl Published {
    /// Results of which nothing is to be published again yet.
    pub(super) fn of(results: &[Result<MessageId, AwsError>]) -> Self {
        Self {
            again: Vec::new(),
            some_accepted: results.iter().any(Result::is_ok),
            some_unanswered: results.iter().any(is_unanswered),
            error: None,
        }
    }

    /// Keeps a notice that is to be published again, and the error that it met.
    pub(super) fn keep(&mut self, pending: Pending, error: AwsError) {
        self.again.push(pending);
        self.error = Some(error);
    }

    /// Reports how the attempt went. Notices that are only to be tried once more in a plainer form
    /// say nothing about the topic: the attempt is dropped unused.
    pub(super) fn report_to(&self, attempt: Attempt<'_>) -> Next {
        match &self.error {
            Some(error) if self.some_accepted => attempt.failed_in_part(error),
            Some(error) => attempt.failed(error),
            None => {
                if self.some_accepted {
                    attempt.succeeded();
                }
                Next::Again
            }
        }
    }
}

/// Whether SNS gave no readable answer, so that the notice may have been published.
fn is_unanswered(result: &Result<MessageId, AwsError>) -> bool {
    result.as_ref().is_err_and(|error| error.class == Class::Unknown)
}
