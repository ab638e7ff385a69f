//! Message attributes: by what subscribers filter notices.

use std::collections::BTreeSet;

use super::told::Told;
use crate::domain::policy::mode::Mode;

/// The attributes of a notice, each with a value. SNS takes no empty one, and hands at most ten to a
/// queue with raw delivery (SNS Developer Guide, "Message attributes").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Vec<(&'static str, Value)>);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text, which is not empty.
    Text(String),
    /// Several texts, as a JSON array: a subscriber gets the notice if one of them suits its filter.
    Texts(String),
}

impl Value {
    /// SNS's name of the type.
    pub(crate) fn data_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "String",
            Self::Texts(_) => "String.Array",
        }
    }

    /// The value as SNS takes it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Texts(text) => text,
        }
    }

    /// How many bytes it takes of a message, with the name of its type.
    pub(super) fn size(&self) -> usize {
        self.data_type().len() + self.as_str().len()
    }
}

impl Attributes {
    /// The attributes of a notice of one instance.
    pub(super) fn of(told: &Told<'_>) -> Self {
        let key = told.key;
        let mut attributes = Self::default();
        attributes.add("kind", told.kind());
        attributes.add("outcome", told.outcome.label());
        attributes.add("reason", told.reason().unwrap_or_default());
        attributes.add("account", key.account.as_str());
        attributes.add("region", key.region.as_str());
        attributes.add("instance", key.instance.as_str());
        attributes.add_all("policy", told.reason.policies());
        attributes.add("mode", told.reason.mode().map(Mode::label).unwrap_or_default());
        attributes.add("owner", &told.owner);
        attributes
    }

    /// The attributes of a notice of several instances: all that theirs would have, so that a
    /// filter that lets one of them pass lets the digest pass. It names no instance.
    pub(super) fn of_all(all: &[Told<'_>]) -> Self {
        let several = |value: for<'a> fn(&'a Told<'_>) -> &'a str| {
            let values: BTreeSet<_> = all.iter().map(value).filter(|it| !it.is_empty()).collect();
            values.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let policies: BTreeSet<_> = all.iter().flat_map(|told| told.reason.policies()).collect();
        let mode = |told: &Told<'_>| told.reason.mode();
        let modes: BTreeSet<_> = all.iter().filter_map(mode).map(Mode::label).collect();
        let mut attributes = Self::default();
        attributes.add("kind", "digest");
        attributes.add_all("outcome", several(|told| told.outcome.label()));
        attributes.add_all("reason", several(|told| told.reason().unwrap_or_default()));
        attributes.add_all("account", several(|told| told.key.account.as_str()));
        attributes.add_all("region", several(|told| told.key.region.as_str()));
        attributes.add_all("policy", policies);
        attributes.add_all("mode", modes);
        attributes.add("owner", all.first().map_or("", |told| &told.owner));
        attributes
    }

    /// Every attribute with its value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// Adds an attribute, unless its value is empty.
    pub(super) fn add(&mut self, name: &'static str, text: &str) {
        if !text.is_empty() {
            self.0.push((name, Value::Text(text.to_owned())));
        }
    }

    /// Adds an attribute of several texts, unless there are none.
    fn add_all<T: Into<String>>(&mut self, name: &'static str, texts: impl IntoIterator<Item = T>) {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        if !texts.is_empty() {
            self.0.push((name, Value::Texts(serde_json::Value::from(texts).to_string())));
        }
    }
}
