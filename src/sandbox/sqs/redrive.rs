//! Redrive policies: a message that was received too often goes to a dead-letter queue.

use std::time::Duration;

use serde_json::{Value, json};

use super::message::Message;
use super::queue::Queue;
use crate::sandbox::answer::Failure;
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::world::World;

pub(super) const POLICY: &str = "RedrivePolicy";

/// A redrive policy.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Redrive {
    /// The ARN of the dead-letter queue.
    pub(in crate::sandbox) target: String,
    pub(in crate::sandbox) max_receives: u32,
}

impl Queue {
    /// Adds a redrive policy to a new queue, and to its attributes.
    pub(in crate::sandbox) fn redriving(mut self, redrive: Redrive) -> Self {
        let policy = json!({
            "deadLetterTargetArn": redrive.target,
            "maxReceiveCount": redrive.max_receives,
        });
        self.attributes.insert(POLICY.to_owned(), policy.to_string());
        self.redrive = Some(redrive);
        self
    }
}

/// Reads a redrive policy. An empty text stands for none.
pub(super) fn parse(policy: &str) -> Result<Option<Redrive>, Failure> {
    if policy.is_empty() {
        return Ok(None);
    }
    let invalid = || Failure::invalid_value(policy, POLICY, "Redrive policy is not valid.");
    let policy: Value = serde_json::from_str(policy).map_err(|_| invalid())?;
    let policy = Parameters::new(&policy);
    let target = policy.optional("deadLetterTargetArn").ok_or_else(invalid)?.to_owned();
    let max_receives = policy.number("maxReceiveCount")?.filter(|count| (1..=1000).contains(count));
    let max_receives = max_receives.and_then(|count| u32::try_from(count).ok());
    Ok(Some(Redrive { target, max_receives: max_receives.ok_or_else(invalid)? }))
}

/// The redrive policy of a queue, if it has one and the dead-letter queue exists.
pub(super) fn policy(world: &World, arn: &str) -> Option<Redrive> {
    let policy = world.queues.get(arn)?.redrive.clone()?;
    world.queues.contains_key(&policy.target).then_some(policy)
}

/// Moves messages to the dead-letter queue. They keep their ids, times and receive counts.
pub(super) fn move_to_dead_letters(world: &mut World, from: &str, to: &str, dead: Vec<Message>) {
    let now = world.now();
    let Some(target) = world.queues.get_mut(to) else { return };
    for mut message in dead {
        message.source = Some(from.to_owned());
        target.put(message, Duration::ZERO, now);
    }
}
