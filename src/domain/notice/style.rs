//! What the settings want of all notices.

use std::collections::BTreeSet;

use crate::domain::policy::attribute::Attribute;
use crate::domain::policy::reads::Reads;

/// The owner of an instance that has none of the owner tags.
pub(crate) const UNKNOWN_OWNER: &str = "unknown";

/// The form of notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The same text for every subscriber.
    #[default]
    Text,
    /// A form for each protocol.
    Json,
}

/// How notices are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Style {
    /// Whether they carry message attributes.
    pub attributes: bool,
    /// Their form.
    pub format: Format,
    /// AWS's partition, such as `aws`, for the ARNs of instances.
    pub partition: String,
    /// The keys of the tags that name an owner: the first one counts that an instance has.
    pub owner_tags: Vec<String>,
}

impl Format {
    /// Reads a format as operators write it; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Text, Self::Json].into_iter().find(|format| format.as_str() == text)
    }

    /// The format as operators write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// What is read of an instance for this form of notices, beside its owner.
    fn attributes(self) -> BTreeSet<Attribute> {
        match self {
            Self::Text => BTreeSet::new(),
            // A chat keeps the notices of one launch together.
            Self::Json => [Attribute::LaunchTime].into(),
        }
    }
}

/// What is read of an instance for notices that name its owner.
pub(crate) fn reads(owner_tags: &[String], format: Format) -> Reads {
    Reads {
        tags: owner_tags.iter().cloned().collect(),
        attributes: format.attributes(),
        ..Reads::default()
    }
}
