//! What makes the daemon look at an instance.

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
