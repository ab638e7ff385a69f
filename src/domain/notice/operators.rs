//! Notices to operators, of what a person must act on.

use super::hash::hash;
use super::style::{Format, Style};
use super::{Attributes, Notice, chat, forms};

impl Notice {
    /// A notice to operators, about what `key` names. A FIFO topic keeps those about one thing in
    /// order.
    pub(crate) fn to_operators(
        subject: &'static str,
        key: &str,
        text: String,
        style: &Style,
    ) -> Self {
        let chat = || chat::to_operators(subject, &text);
        let by_protocol = match style.format {
            Format::Text => None,
            Format::Json => Some(forms::by_protocol(&text, &chat(), None)),
        };
        let mut attributes = Attributes::default();
        if style.attributes {
            attributes.add("kind", "operators");
        }
        let (group_id, deduplication_id) = (hash(key), hash(&format!("{key}\n{text}")));
        let plain = Self::new(subject, text);
        Self { by_protocol, attributes, group_id, deduplication_id, ..plain }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::attributes;
    use super::*;

    #[test]
    fn operators_get_the_text_and_its_forms() {
        let notice =
            |style: &Style| Notice::to_operators("EC2 policy enforcer: a", "b", "c".into(), style);
        let plain = notice(&Style::default());
        assert_eq!((plain.subject(), plain.message()), (Some("EC2 policy enforcer: a"), "c"));
        assert_eq!((plain.structure(), plain.attributes().count()), (None, 0));
        let style = Style { attributes: true, format: Format::Json, ..Style::default() };
        let full = notice(&style);
        assert_eq!(attributes(&full), [("kind", "operators")]);
        assert_eq!(full.structure(), Some("json"));
        assert_ne!(plain.group_id, plain.deduplication_id);
    }
}
