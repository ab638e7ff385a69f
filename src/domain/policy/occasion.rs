//! The occasion of a decision: when and why it is made.

use cedar_policy::Context;
use time::UtcDateTime;

pub use crate::domain::trigger::Trigger;

/// When and why decisions are made. One is made for each batch of instances, so that they are all
/// judged by the same time.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// The time of day: `context.now` in policies.
    pub now: UtcDateTime,
    /// Why the instances are looked at.
    pub trigger: Trigger,
    /// The same for Cedar; `None` without policies in Cedar.
    pub(super) context: Option<Context>,
}
