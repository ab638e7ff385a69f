//! Reads a JSON object key by key, and says in words what is wrong with it.

use std::fmt;

use serde_json::{Map, Value};
use time::UtcDateTime;

use super::nearest::nearest;
use crate::domain::policy::dates;

/// How much of a wrong value is shown, in characters.
const SHOWN_CHARACTERS: usize = 60;

/// What is wrong with stored facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The key, with those above it and points between them.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, wrong, remedy } = self;
        if key.is_empty() {
            return write!(formatter, "{wrong}; {remedy}");
        }
        write!(formatter, "{key} {wrong}; {remedy}")
    }
}

/// A JSON object, and the key under which it stands.
#[derive(Clone, Copy, Debug)]
pub struct Object<'v> {
    path: &'v str,
    fields: &'v Map<String, Value>,
}

impl<'v> Object<'v> {
    /// Reads an object. `path` is the key under which it stands; empty at the top.
    ///
    /// # Errors
    /// It is no object.
    pub fn of(value: &'v Value, path: &'v str) -> Result<Self, Wrong> {
        match value {
            Value::Object(fields) => Ok(Self { path, fields }),
            other => Err(refused(path, other, "give keys and values")),
        }
    }

    /// Says what is wrong with a key.
    pub fn wrong(&self, key: &str, wrong: impl Into<String>, remedy: impl Into<String>) -> Wrong {
        Wrong { key: self.key(key), wrong: wrong.into(), remedy: remedy.into() }
    }

    /// Refuses keys that are none of these.
    ///
    /// # Errors
    /// Names the first such key.
    pub fn has_only(&self, known: &[&str]) -> Result<(), Wrong> {
        match self.fields.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let remedy = match nearest(key, known) {
                    Some(name) => format!("did you mean {name}?"),
                    None => format!("there are {}", known.join(", ")),
                };
                Err(self.wrong(key, "is not known", remedy))
            }
        }
    }

    /// What stands behind each key.
    pub fn fields(&self) -> impl Iterator<Item = (&'v str, &'v Value)> {
        self.fields.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// What stands behind a key; `None` without it, or for `null`.
    pub fn value(&self, key: &str) -> Option<&'v Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    /// Reads a text that has a form.
    ///
    /// # Errors
    /// It is no text, or has not the form; `remedy` says what would be right.
    pub fn read<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
        remedy: &str,
    ) -> Result<Option<T>, Wrong> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let read = value.as_str().and_then(read);
        read.map(Some).ok_or_else(|| refused(&self.key(key), value, remedy))
    }

    /// Reads a text that has to be there.
    ///
    /// # Errors
    /// As for [`Object::read`], and without the key.
    pub fn required<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
        remedy: &str,
    ) -> Result<T, Wrong> {
        self.read(key, read, remedy)?.ok_or_else(|| self.wrong(key, "is missing", remedy))
    }

    /// Reads whether something is so.
    ///
    /// # Errors
    /// It is neither `true` nor `false`.
    pub fn truth(&self, key: &str) -> Result<Option<bool>, Wrong> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let truth = value.as_bool();
        truth.map(Some).ok_or_else(|| refused(&self.key(key), value, "give true or false"))
    }

    /// Reads a time.
    ///
    /// # Errors
    /// It has not the form of RFC 3339.
    pub fn time(&self, key: &str) -> Result<Option<UtcDateTime>, Wrong> {
        self.read(key, dates::beginning, TIME)
    }

    /// Reads a list of texts.
    ///
    /// # Errors
    /// It is no list, or has something else in it.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>, Wrong> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let items = value.as_array();
        let texts = items.and_then(|items| items.iter().map(text).collect::<Option<Vec<_>>>());
        texts.map(Some).ok_or_else(|| refused(&self.key(key), value, "give a list of texts"))
    }

    /// Reads texts by key, such as tags.
    ///
    /// # Errors
    /// It is no object, or has a value that is no text.
    pub fn map<T: FromIterator<(String, String)>>(&self, key: &str) -> Result<Option<T>, Wrong> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let path = self.key(key);
        let object = Object::of(value, &path)?;
        let pairs = object.fields().map(|(key, value)| {
            let wrong = || refused(&format!("{path}.{key}"), value, "give a text in quotes");
            Ok((key.to_owned(), text(value).ok_or_else(wrong)?))
        });
        pairs.collect::<Result<T, Wrong>>().map(Some)
    }

    /// The whole key, with those above it.
    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// The remedy for what is no time.
const TIME: &str = "give a time such as 2026-12-31T10:00:00Z";

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Refuses a value.
fn refused(key: &str, value: &Value, remedy: &str) -> Wrong {
    let whole = value.to_string();
    let shown: String = whole.chars().take(SHOWN_CHARACTERS).collect();
    let more = if shown.len() < whole.len() { " (shortened)" } else { "" };
    Wrong {
        key: key.to_owned(),
        wrong: format!("is {shown}{more}").trim_start().to_owned(),
        remedy: remedy.to_owned(),
    }
}
