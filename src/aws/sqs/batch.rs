//! The calls that settle messages, ten at a time.

use std::time::Duration;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
};

use crate::aws::entries::{Entries, in_order};
use crate::aws::error::{AwsError, Service, table};
use crate::aws::sqs::{Queue, Receipt, whole_secs};

impl Queue {
    /// Deletes up to [`BATCH_LIMIT`](super::BATCH_LIMIT) messages. The results are in the order of
    /// the receipts.
    ///
    /// # Errors
    /// Why the call failed as a whole.
    pub(crate) async fn delete(&self, receipts: &[Receipt]) -> Result<Entries, AwsError> {
        let entry = |(at, receipt): (usize, &Receipt)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(&receipt.0)
                .build()
        };
        let entries = receipts.iter().enumerate().map(entry).collect::<Result<_, _>>();
        let call = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.map_err(|error| unbuildable(&error))?));
        let answer = self.calls.attempt("DeleteMessageBatch", call.send()).await?;
        let accepted = answer.successful().iter().map(|entry| (entry.id(), ()));
        Ok(in_order(receipts.len(), accepted, answer.failed().iter().map(failed)))
    }

    /// Makes up to [`BATCH_LIMIT`](super::BATCH_LIMIT) messages visible again after the given
    /// times, counted from now; a time of zero does so at once. The results are in the order of the
    /// receipts.
    ///
    /// # Errors
    /// Why the call failed as a whole.
    pub(crate) async fn change_visibility(
        &self,
        receipts: &[(Receipt, Duration)],
    ) -> Result<Entries, AwsError> {
        let entry = |(at, (receipt, time)): (usize, &(Receipt, Duration))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(&receipt.0)
                .visibility_timeout(whole_secs(*time))
                .build()
        };
        let entries = receipts.iter().enumerate().map(entry).collect::<Result<_, _>>();
        let call = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.map_err(|error| unbuildable(&error))?));
        let answer = self.calls.attempt("ChangeMessageVisibilityBatch", call.send()).await?;
        let accepted = answer.successful().iter().map(|entry| (entry.id(), ()));
        Ok(in_order(receipts.len(), accepted, answer.failed().iter().map(failed)))
    }
}

fn failed(entry: &BatchResultErrorEntry) -> (&str, AwsError) {
    (entry.id(), AwsError::of_entry(Service::Sqs, entry.code(), entry.message()))
}

fn unbuildable(error: &BuildError) -> AwsError {
    AwsError::of(&table::CONSTRUCTION_FAILURE, error.to_string())
}
