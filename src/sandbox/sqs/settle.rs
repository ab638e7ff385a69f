//! `DeleteMessage` and `ChangeMessageVisibility`, as calls and as entries of a batch.

use std::time::Duration;

use serde_json::json;

use super::message::Visibility;
use super::receipt::Receipt;
use super::{known, prefixed};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::world::World;

/// Deletes a message. If its receipt handle is stale, the message stays; if it does not exist,
/// nothing happens. Both are answered with success, as SQS does.
pub(super) fn delete(world: &mut World, arn: &str, parameters: Parameters<'_>) -> Answer {
    let receipt = Receipt::parse(parameters.text("ReceiptHandle")?)?;
    let queue = known(world, arn)?;
    if queue.message_of(receipt).is_some() {
        queue.remove(receipt.message_id);
    }
    Ok(json!({}))
}

/// Sets the visibility timeout of a message, from now on. Zero makes it visible at once.
pub(super) fn change(world: &mut World, arn: &str, parameters: Parameters<'_>) -> Answer {
    let handle = parameters.text("ReceiptHandle")?;
    let secs = parameters.number_within("VisibilityTimeout", 0, 43_200)?;
    let secs = secs.and_then(|secs| u64::try_from(secs).ok());
    let timeout = Duration::from_secs(secs.ok_or_else(|| Failure::missing("VisibilityTimeout"))?);
    let receipt = Receipt::parse(handle)?;
    let now = world.now();
    let queue = known(world, arn)?;
    let Some(message) = queue.message_of(receipt) else {
        let reason = "Message does not exist or is not available for visibility timeout change.";
        return Err(Failure::invalid_value(handle, "ReceiptHandle", reason));
    };
    if !message.is_held() {
        return Err(prefixed("MessageNotInflight", "The specified message isn't in flight."));
    }
    if timeout > message.hold_left(now) {
        let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
        return Err(Failure::invalid_value(
            &timeout.as_secs().to_string(),
            "VisibilityTimeout",
            reason,
        ));
    }
    queue.unhide(receipt.message_id);
    queue.place(receipt.message_id, Visibility::Held { until: now + timeout }, now);
    world.schedule.replanned.notify_waiters();
    Ok(json!({}))
}
