//! Deserialises the merged layers into the structs of the settings.
//!
//! `config` can do that too, but it reads a table in random order, so that of two wrong settings
//! now one would be refused and now the other, and its errors are text alone.

use std::vec;

use config::{Map, Value, ValueKind};
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess};
use serde::de::{Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::error::SettingsError;

/// A value of the merged layers: a table, or what one key is set to.
pub(super) struct Given(pub Value);

impl<'de> Deserializer<'de> for Given {
    type Error = SettingsError;

    /// Gives every field its value, [`ValueKind::Nil`] if it was not given.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SettingsError> {
        match self.0.kind {
            ValueKind::Table(table) => visitor.visit_map(Entries::new(table, fields)),
            ValueKind::Nil => visitor.visit_map(Entries::new(Map::new(), fields)),
            ref other => {
                let expected = format!("a section with {}", fields.join(", "));
                Err(SettingsError::invalid_type(kind(other), &&*expected))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        match self.0.kind {
            ValueKind::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// Takes a whole number for text too: tags and accounts may look like one. What else is written
    /// without quotes may have been meant otherwise: `exception_tag = true` is no tag.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        match self.0.kind {
            ValueKind::String(_) | ValueKind::I64(_) | ValueKind::I128(_) => {
                visitor.visit_string(self.0.into_string()?)
            }
            ref other => Err(SettingsError::invalid_type(kind(other), &"text in quotes")),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        match self.0.kind {
            ValueKind::String(text) => visitor.visit_string(text),
            ValueKind::I64(number) => visitor.visit_i64(number),
            ValueKind::Array(items) => visitor.visit_seq(Items { left: items.into_iter(), at: 0 }),
            other => Err(SettingsError::invalid_type(kind(&other), &visitor)),
        }
    }

    /// Reads `true` or `false`; in the environment they are text.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        match self.0.kind {
            ValueKind::Boolean(truth) => visitor.visit_bool(truth),
            ValueKind::String(text) => visitor.visit_string(text),
            other => Err(SettingsError::invalid_type(kind(&other), &visitor)),
        }
    }

    /// Reads a table whose keys are names that the operator gives.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingsError> {
        match self.0.kind {
            ValueKind::Table(table) => visitor.visit_map(Entries::new(table, &[])),
            ValueKind::Nil => visitor.visit_unit(),
            other => Err(SettingsError::invalid_type(kind(&other), &visitor)),
        }
    }

    /// Reads sections that nobody asked for, such as all but one in `healthcheck`.
    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, SettingsError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct enum identifier
    }
}

/// The entries of a table: first those that are no fields, which are refused, then the fields as
/// they are declared.
struct Entries {
    left: vec::IntoIter<(String, Value)>,
    current: Option<(String, Value)>,
}

impl Entries {
    fn new(mut table: Map<String, Value>, fields: &[&str]) -> Self {
        let nil = || Value::new(None, ValueKind::Nil);
        let known: Vec<_> = fields
            .iter()
            .map(|field| ((*field).to_owned(), table.remove(*field).unwrap_or_else(nil)))
            .collect();
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.extend(known);
        Self { left: entries.into_iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = SettingsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, SettingsError> {
        self.current = self.left.next();
        let Some((key, _)) = &self.current else { return Ok(None) };
        let key: StrDeserializer<'_, SettingsError> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, SettingsError> {
        let current = self.current.take();
        let (key, value) = current.ok_or_else(|| SettingsError::custom("a value without a key"))?;
        seed.deserialize(Given(value)).map_err(|error| error.with_key(|inner| join(&key, inner)))
    }
}

/// The items of a list.
struct Items {
    left: vec::IntoIter<Value>,
    /// How many have been read.
    at: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = SettingsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, SettingsError> {
        let Some(item) = self.left.next() else { return Ok(None) };
        let place = format!("[{}]", self.at);
        self.at += 1;
        let item = seed.deserialize(Given(item));
        item.map(Some).map_err(|error| error.with_key(|inner| join(&place, inner)))
    }
}

/// What kind of value it is, for a refusal.
fn kind(value: &ValueKind) -> Unexpected<'_> {
    match value {
        ValueKind::Nil => Unexpected::Unit,
        ValueKind::Boolean(truth) => Unexpected::Bool(*truth),
        ValueKind::I64(number) => Unexpected::Signed(*number),
        ValueKind::U64(number) => Unexpected::Unsigned(*number),
        ValueKind::Float(number) => Unexpected::Float(*number),
        ValueKind::String(text) => Unexpected::Str(text),
        ValueKind::Table(_) => Unexpected::Map,
        ValueKind::Array(_) => Unexpected::Seq,
        ValueKind::I128(_) | ValueKind::U128(_) => Unexpected::Other("a number beyond 64 bits"),
    }
}

/// `sizes` and `batch` are `sizes.batch`; `regions` and `[0]` are `regions[0]`.
fn join(outer: &str, inner: &str) -> String {
    let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
    format!("{outer}{dot}{inner}")
}
