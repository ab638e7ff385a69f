//! The budget of a world, and what people do about the holds that it begins.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;
use tokio::time::Instant;

use super::history::HoldChange;
use super::holds::is_hold;
use super::world::World;

/// How many instances may be stopped within a window, and what goes on when they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub stops: usize,
    pub window: Duration,
    /// After so many receives a message goes to the dead-letter queue.
    pub max_receives: u32,
    /// How many tags the queue has that are no holds.
    pub other_tags: usize,
    /// How long a person takes, when the story is over, before they remove the tags that hold stops.
    pub resumed_after: Duration,
    /// Whether the world goes on until the messages are visible that are hidden by processes which
    /// have ended: for 12 h.
    pub waits_for_all: bool,
}

impl World {
    /// Sets how often messages are received, and tags of the queue that are no holds, in a world with
    /// a budget.
    pub(super) async fn set_up_queue(&self) {
        let Some(budget) = self.plan.budget else { return };
        let sqs = aws_sdk_sqs::Client::new(&self.aws.sdk_config());
        let (receives, dead) = (budget.max_receives, &self.resources.dead_letter_arn);
        let policy =
            json!({ "maxReceiveCount": receives, "deadLetterTargetArn": dead }).to_string();
        let call = sqs.set_queue_attributes().queue_url(&self.resources.queue_url);
        call.attributes(QueueAttributeName::RedrivePolicy, policy).send().await.unwrap();
        for number in 0..budget.other_tags {
            self.aws.tag_queue(&format!("tag-{number}"), "");
        }
    }

    /// A person sets a tag that holds stops.
    pub(super) fn hold(&self, key: &str) {
        self.aws.tag_queue(key, "2026-01-01T00:00:00Z");
        self.note(key, true);
    }

    /// A person removes such a tag.
    pub(super) fn unhold(&self, key: &str) {
        self.aws.untag_queue(key);
        self.note(key, false);
    }

    /// A person removes all of them.
    pub(super) fn resume(&self) {
        self.aws.queue_tags().keys().filter(|key| is_hold(key)).for_each(|key| self.unhold(key));
    }

    /// Whether a tag holds stops.
    pub(super) fn is_held(&self) -> bool {
        self.aws.queue_tags().keys().any(|key| is_hold(key))
    }

    fn note(&self, key: &str, is_set: bool) {
        let change = HoldChange { at: Instant::now(), key: key.to_owned(), is_set };
        self.history().holds.push(change);
    }
}
