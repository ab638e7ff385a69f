//! The occasion of a decision: when and why it is made.

use cedar_policy::Context;
use time::UtcDateTime;

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

/// Why an instance is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It has started.
    Start,
    /// Its tags have changed.
    Tag,
    /// All instances are looked at.
    Sweep,
}

impl Trigger {
    /// All triggers.
    pub const ALL: [Self; 3] = [Self::Start, Self::Tag, Self::Sweep];

    /// Reads a trigger as policies know it; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.label() == text)
    }

    /// The word in policies: `context.trigger`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Tag => "tag",
            Self::Sweep => "sweep",
        }
    }
}
