//! The parameters of a call, which are read in the same way whatever protocol the call came in.

use serde_json::Value;

use crate::sandbox::answer::Failure;

/// One object of parameters: a whole call, or an entry of one of its lists.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) struct Parameters<'a>(&'a Value);

impl<'a> Parameters<'a> {
    pub(in crate::sandbox) fn new(value: &'a Value) -> Self {
        Self(value)
    }

    /// Reads a text that is required.
    pub(in crate::sandbox) fn text(self, name: &str) -> Result<&'a str, Failure> {
        self.optional(name).ok_or_else(|| Failure::missing(name))
    }

    pub(in crate::sandbox) fn optional(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Reads a number, which is a text in the query protocols.
    pub(in crate::sandbox) fn number(self, name: &str) -> Result<Option<i64>, Failure> {
        let number = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_i64(),
        };
        let invalid = || Failure::invalid_value("given", name, "Must be an integer.");
        number.map(Some).ok_or_else(invalid)
    }

    /// Reads a number within a range that AWS documents.
    pub(in crate::sandbox) fn number_within(
        self,
        name: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, Failure> {
        match self.number(name)? {
            Some(number) if number < least || number > most => {
                let reason = format!("Must be between {least} and {most}, if provided.");
                Err(Failure::invalid_value(&number.to_string(), name, &reason))
            }
            number => Ok(number),
        }
    }

    pub(in crate::sandbox) fn flag(self, name: &str) -> bool {
        match self.0.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// Reads a list of texts. A missing list is empty.
    pub(in crate::sandbox) fn texts(self, name: &str) -> Vec<&'a str> {
        self.items(name).iter().filter_map(Value::as_str).collect()
    }

    /// Reads a list of objects. A missing list is empty.
    pub(in crate::sandbox) fn list(self, name: &str) -> impl Iterator<Item = Self> {
        self.items(name).iter().map(Self)
    }

    /// Reads an object of texts, such as the attributes of a queue.
    pub(in crate::sandbox) fn map(self, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let fields = self.0.get(name).and_then(Value::as_object).into_iter().flatten();
        fields.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    pub(in crate::sandbox) fn object(self, name: &str) -> Self {
        Self(self.0.get(name).unwrap_or(&Value::Null))
    }

    pub(in crate::sandbox) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    fn items(self, name: &str) -> &'a [Value] {
        self.0.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}
