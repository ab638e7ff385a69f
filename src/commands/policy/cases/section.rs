//! What a case, or `[defaults]`, says of the instance and the moment.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::policy::stored::object::{Object, Wrong};
use crate::domain::policy::stored::sample;

/// The keys of a case that `[defaults]` can have too.
const SHARED_KEYS: [&str; 6] = ["account", "region", "id", "now", "trigger", "instance"];

/// What a case, or `[defaults]`, says of the instance and the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Section<'v> {
    values: BTreeMap<&'static str, &'v Value>,
    /// The attributes, and the tags.
    instance: BTreeMap<&'v str, &'v Value>,
}

impl<'v> Section<'v> {
    /// Reads a table of the file; an empty one where it is missing.
    pub(super) fn of(top: &Object<'v>, key: &'v str, others: &[&str]) -> Result<Self, Wrong> {
        match top.value(key) {
            Some(value) => Self::over(&Object::of(value, key)?, others),
            None => Ok(Self::default()),
        }
    }

    /// Reads a table, which may have other keys besides.
    pub(super) fn over(object: &Object<'v>, others: &[&str]) -> Result<Self, Wrong> {
        object.has_only(&[others, &SHARED_KEYS].concat())?;
        let instance = match object.value("instance") {
            Some(value) => Object::of(value, "instance")?.fields().collect(),
            None => BTreeMap::new(),
        };
        let others = SHARED_KEYS.into_iter().filter(|key| *key != "instance");
        let values = others.filter_map(|key| Some((key, object.value(key)?))).collect();
        Ok(Self { values, instance })
    }

    /// The same, but for what another section says.
    pub(super) fn with(&self, other: Self) -> Self {
        let mut both = self.clone();
        both.values.extend(other.values);
        both.instance.extend(other.instance);
        both
    }

    /// The form in which facts are stored, with what nothing is said about as most instances have
    /// it.
    pub(super) fn document(&self) -> Value {
        let value = |key, default: &str| {
            self.values.get(key).map_or_else(|| Value::from(default), |value| (*value).clone())
        };
        let mut facts: Map<String, Value> = sample::attributes();
        facts
            .extend(self.instance.iter().map(|(key, value)| ((*key).to_owned(), (*value).clone())));
        json!({
            "account": value("account", sample::ACCOUNT),
            "region": value("region", sample::REGION),
            "instance": value("id", sample::INSTANCE),
            "now": value("now", sample::NOW),
            "trigger": value("trigger", "start"),
            "facts": facts,
        })
    }
}
