//! The tags of the queue, of which some hold stops.

use std::collections::BTreeMap;

use crate::aws::error::AwsError;
use crate::aws::sqs::Queue;

impl Queue {
    /// Reads all tags, by key.
    ///
    /// # Errors
    /// What SQS answered instead, or why it did not answer.
    pub(crate) async fn tags(&self) -> Result<BTreeMap<String, String>, AwsError> {
        let call = self.client.list_queue_tags().queue_url(&self.url);
        let answer = self.calls.attempt("ListQueueTags", call.send()).await?;
        Ok(answer.tags.unwrap_or_default().into_iter().collect())
    }

    /// Sets a tag, whether there is one of this key or not.
    ///
    /// # Errors
    /// What SQS answered instead, or why it did not answer.
    pub(crate) async fn tag(&self, key: &str, value: &str) -> Result<(), AwsError> {
        let call = self.client.tag_queue().queue_url(&self.url).tags(key, value);
        self.calls.attempt("TagQueue", call.send()).await.map(drop)
    }

    /// Removes tags; those that there are not are left out.
    ///
    /// # Errors
    /// What SQS answered instead, or why it did not answer.
    pub(crate) async fn untag(&self, keys: &[String]) -> Result<(), AwsError> {
        let keys = Some(keys.to_vec());
        let call = self.client.untag_queue().queue_url(&self.url).set_tag_keys(keys);
        self.calls.attempt("UntagQueue", call.send()).await.map(drop)
    }
}
