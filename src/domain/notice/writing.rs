//! Writes notices: of one instance, or of several.

use time::UtcDateTime;

use super::attributes::Attributes;
use super::digest::Digest;
use super::hash::hash;
use super::style::{Format, Style, UNKNOWN_OWNER};
use super::told::Told;
use super::{Notice, SUBJECT, chat, forms};

impl Notice {
    /// The notice of one instance; `None` for an outcome that is not announced.
    pub(crate) fn of(told: &Told<'_>, style: &Style, now: UtcDateTime) -> Option<Self> {
        let text = told.text()?;
        let by_protocol = match style.format {
            Format::Text => None,
            Format::Json => {
                let chat = chat::of_one(told, style, now);
                Some(forms::by_protocol(&text, &chat, told.line.as_deref()))
            }
        };
        Some(Self {
            by_protocol,
            attributes: if style.attributes { Attributes::of(told) } else { Attributes::default() },
            group_id: told.key.instance.to_string(),
            deduplication_id: told.deduplication_id(),
            ..Self::new(SUBJECT, text)
        })
    }

    /// The notice of several instances of one owner.
    pub(crate) fn digest(all: &[Told<'_>], style: &Style) -> Self {
        let digest = Digest { all, owner: all.first().map_or(UNKNOWN_OWNER, |told| &told.owner) };
        let text = digest.text();
        let by_protocol = match style.format {
            Format::Text => None,
            Format::Json => {
                let line = digest.audit_lines();
                Some(forms::by_protocol(&text, &chat::of_digest(&digest, style), line.as_deref()))
            }
        };
        let ids: String = all.iter().map(Told::deduplication_id).collect();
        Self {
            by_protocol,
            attributes: if style.attributes {
                Attributes::of_all(all)
            } else {
                Attributes::default()
            },
            group_id: hash(digest.owner),
            deduplication_id: hash(&ids),
            ..Self::new(SUBJECT, text)
        }
    }
}
