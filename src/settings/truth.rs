//! Reads `true` and `false`.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

/// Reads `true` or `false`, in the environment as text.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_bool(TruthVisitor)
}

struct TruthVisitor;

impl Visitor<'_> for TruthVisitor {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("true or false")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<bool, E> {
        Ok(truth)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        let wrong = || E::invalid_value(Unexpected::Str(text), &"give true or false");
        text.parse().map_err(|_| wrong())
    }
}
