//! Why settings cannot work, in words for the operator.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use config::ConfigError;
use serde::de::{Error, Expected, Unexpected};
use thiserror::Error;

use crate::domain::policy::Refusals;

/// How much of a refused value is shown, in characters.
const SHOWN_CHARACTERS: usize = 200;

/// Settings that cannot work; the process ends with exit code 78.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A setting without a default was not given.
    #[error("{key} is missing: {remedy}")]
    Missing { key: String, remedy: String },
    /// A setting has a value that cannot work.
    #[error("{key} = {value}: {remedy}")]
    Value { key: String, value: String, remedy: String },
    /// A variable of the environment looks like a setting and is none.
    #[error("{name} is no setting: {remedy}")]
    Name { name: String, remedy: String },
    /// The file cannot be opened or is not UTF-8.
    #[error("cannot read {}: {error}; {}", path.display(), file_remedy(error))]
    File { path: PathBuf, error: io::Error },
    /// The file is not TOML.
    #[error("{} is not sound TOML: {error}", path.display())]
    Toml { path: PathBuf, error: Box<ConfigError> },
    /// A file of policies cannot be opened, is not UTF-8 or is too large.
    #[error("cannot read {}: {error}; {}", path.display(), policy_file_remedy(error))]
    PolicyFile { path: PathBuf, error: io::Error },
    /// The policies are refused; a line for each mistake.
    #[error("{0}")]
    Policies(Refusals),
    /// Policies cannot be checked before it is known where the daemon works.
    #[error(
        "the daemon has not reached its queue yet, so that policies cannot be checked; reload when it is ready"
    )]
    TooEarly,
    /// The AWS SDK cannot use what it reads of the operator's profile.
    #[error("{0}")]
    Sdk(String),
    /// A section or a key does not exist. `known` are those that do, in its place.
    #[error(
        "{key}: no such setting; there are {known}; \
         the table of settings in docs/src/settings.md lists every key with its range"
    )]
    Unknown { key: String, known: String },
    /// The layers cannot be laid over each other.
    #[error(
        "the settings do not fit: {error}{}; \
         the table of settings in docs/src/settings.md lists every key with its range",
        for_key(key)
    )]
    Shape { key: String, error: String },
}

impl SettingsError {
    /// Refuses the text `value` of `key`; `remedy` says what would be right.
    pub(crate) fn text(key: &str, value: &str, remedy: impl Into<String>) -> Self {
        let shown: String = value.chars().take(SHOWN_CHARACTERS).collect();
        let more = if shown.len() < value.len() { " (shortened)" } else { "" };
        Self::value(key, format_args!("{shown:?}{more}"), remedy)
    }

    /// The refusal in lines of the log: one for each mistake in policies.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Policies(Refusals(refusals)) => {
                refusals.iter().map(ToString::to_string).collect()
            }
            other => vec![other.to_string()],
        }
    }

    /// Says that a key must be given.
    pub(super) fn missing(key: &str, remedy: &str) -> Self {
        Self::Missing { key: key.to_owned(), remedy: remedy.to_owned() }
    }

    /// Refuses anything else that can be shown.
    pub(crate) fn value(key: &str, value: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self::Value { key: key.to_owned(), value: value.to_string(), remedy: remedy.into() }
    }

    /// The same refusal with another key, which is made from the one that it has.
    pub(super) fn with_key(mut self, change: impl FnOnce(&str) -> String) -> Self {
        if let Self::Missing { key, .. }
        | Self::Value { key, .. }
        | Self::Unknown { key, .. }
        | Self::Shape { key, .. } = &mut self
        {
            *key = change(key);
        }
        self
    }
}

/// What the fields of the settings raise while they are deserialised. The key is still empty then;
/// the tables around the field add it.
impl Error for SettingsError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Shape { key: String::new(), error: message.to_string() }
    }

    /// Refuses a value of the right kind. `expected` is the remedy; no value at all is
    /// [`Unexpected::Unit`].
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (key, remedy) = (String::new(), expected.to_string());
        match unexpected {
            Unexpected::Unit => Self::Missing { key, remedy },
            Unexpected::Str(text) => Self::text(&key, text, remedy),
            Unexpected::Bool(truth) => Self::value(&key, truth, remedy),
            Unexpected::Signed(number) => Self::value(&key, number, remedy),
            Unexpected::Unsigned(number) => Self::value(&key, number, remedy),
            Unexpected::Float(number) => Self::value(&key, number, remedy),
            Unexpected::Seq => Self::value(&key, "[…]", remedy),
            Unexpected::Map => Self::value(&key, "{…}", remedy),
            other => Self::value(&key, other, remedy),
        }
    }

    /// Refuses a value of another kind than `expected`, such as a number where a list should be.
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_value(unexpected, &&*format!("give {expected}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::Unknown { key: field.to_owned(), known: expected.join(", ") }
    }
}

/// What `config` itself raises, without the origin: only files could have one, and `load` gives
/// `config` their text alone.
impl From<ConfigError> for SettingsError {
    fn from(error: ConfigError) -> Self {
        let (key, error) = match error {
            ConfigError::At { error, key, .. } => (key, error.to_string()),
            other => (None, other.to_string()),
        };
        Self::Shape { key: key.unwrap_or_default(), error }
    }
}

/// What is to be done about a file of policies that cannot be read.
fn policy_file_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => file_remedy(error),
        ErrorKind::NotFound => "check the path",
        ErrorKind::InvalidData => "save it as UTF-8",
        _ => "name a file of policies of at most 1 MiB",
    }
}

/// What is to be done about a file that cannot be read.
fn file_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "let the daemon's user read it and enter its directory: with systemd's DynamicUser, \
             mode 644 and 755"
        }
        _ => "check the path given with --config",
    }
}

fn for_key(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" for key `{key}`") }
}
