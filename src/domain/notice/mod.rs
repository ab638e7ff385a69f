//! Notices: what the subscribers of the SNS topic are told.
//!
//! - here: a notice, as it is published;
//! - [`writing`]: writes notices;
//! - [`told`]: what an owner is told of one instance, and in which words;
//! - [`style`]: what the settings want of all notices;
//! - [`attributes`]: by what subscribers filter notices;
//! - [`digest`]: one notice of many instances;
//! - [`test`]: the notice by which an operator sees whether notices arrive;
//! - [`operators`]: notices to operators;
//! - [`chat`], [`forms`]: the forms of a notice for chats, e-mails and programs.

pub(crate) mod attributes;
mod chat;
pub(crate) mod digest;
mod forms;
mod hash;
mod operators;
pub(crate) mod style;
pub(crate) mod test;
pub(crate) mod told;
mod writing;

use std::borrow::Cow;

use attributes::{Attributes, Value};
use hash::hash;

/// The subject of every notice to owners. SNS takes fewer than 100 characters without line breaks
/// (API reference of Publish).
pub(crate) const SUBJECT: &str = "EC2 Violated Company Policy!! Manager will be Notified!!";

/// The most bytes of all notices of one PublishBatch call, and so of one notice, with subjects and
/// attributes (SNS quotas: 256 KiB).
pub(crate) const SIZE_LIMIT: usize = 262_144;

/// A notice, as it is published to the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    subject: Cow<'static, str>,
    /// The text that people read.
    text: String,
    /// The forms for each protocol, as a JSON object; `None`: everybody gets the text.
    by_protocol: Option<String>,
    attributes: Attributes,
    /// The instance id. A FIFO topic keeps the notices of one group in order.
    pub group_id: String,
    /// A hash of what is told, 64 hex digits. A FIFO topic drops a notice whose id it has seen
    /// within 5 minutes.
    pub deduplication_id: String,
    dress: Dress,
}

/// How much of a notice is published beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dress {
    /// All of it.
    Full,
    /// The text alone: SNS refused the notice as invalid, and something beside the text may be why.
    Plainest,
}

impl Notice {
    /// A notice of a text alone.
    pub(crate) fn new(subject: impl Into<Cow<'static, str>>, text: String) -> Self {
        let deduplication_id = hash(&text);
        Self {
            subject: subject.into(),
            text,
            by_protocol: None,
            attributes: Attributes::default(),
            group_id: "notices".to_owned(),
            deduplication_id,
            dress: Dress::Full,
        }
    }

    /// The subject; `None` if the notice is published as plainly as can be.
    pub(crate) fn subject(&self) -> Option<&str> {
        (self.dress == Dress::Full).then_some(&self.subject)
    }

    /// The message: the text, or the forms for each protocol.
    pub(crate) fn message(&self) -> &str {
        match &self.by_protocol {
            Some(forms) if self.dress == Dress::Full => forms,
            _ => &self.text,
        }
    }

    /// SNS's name of the message's structure; `None` for a plain text.
    pub(crate) fn structure(&self) -> Option<&'static str> {
        (self.dress == Dress::Full && self.by_protocol.is_some()).then_some("json")
    }

    /// The message attributes.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.attributes.iter().filter(|_| self.dress == Dress::Full)
    }

    /// Whether SNS takes it by its size, alone in a call.
    pub(crate) fn is_small_enough(&self) -> bool {
        self.size() <= SIZE_LIMIT
    }

    /// How many bytes count towards [`SIZE_LIMIT`].
    pub(crate) fn size(&self) -> usize {
        let attributes = self.attributes().map(|(name, value)| name.len() + value.size());
        self.message().len() + self.subject().map_or(0, str::len) + attributes.sum::<usize>()
    }

    /// Whether the notice is published as plainly as can be: its text alone.
    pub(crate) fn is_plainest(&self) -> bool {
        self.dress == Dress::Plainest
    }

    /// The same notice as its text alone.
    #[must_use]
    pub(crate) fn plainest(self) -> Self {
        Self { dress: Dress::Plainest, ..self }
    }

    /// The same notice with all that belongs to it.
    #[must_use]
    pub(crate) fn full(self) -> Self {
        Self { dress: Dress::Full, ..self }
    }

    /// A newer notice, published as plainly as this one.
    #[must_use]
    pub(crate) fn replaced_by(&self, newer: Self) -> Self {
        Self { dress: self.dress, ..newer }
    }
}

#[cfg(test)]
mod tests;
