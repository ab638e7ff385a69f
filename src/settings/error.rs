//! Says why settings cannot work, in words for the operator.

use std::fmt;
use std::io;
use std::path::PathBuf;

use config::ConfigError;
use thiserror::Error;

/// How much of a refused value is shown, in characters.
const SHOWN_CHARACTERS: usize = 200;

/// Settings that cannot work; the process ends with exit code 78.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A setting without a default was not given.
    #[error("{key} is missing: {remedy}")]
    Missing { key: &'static str, remedy: &'static str },
    /// A setting has a value that cannot work.
    #[error("{key} = {value}: {remedy}")]
    Value { key: String, value: String, remedy: String },
    /// The file cannot be opened or is not UTF-8.
    #[error("cannot read {}: {error}; check the path given with --config", path.display())]
    File { path: PathBuf, error: io::Error },
    /// The file is not TOML.
    #[error("{} is not sound TOML: {error}", path.display())]
    Toml { path: PathBuf, error: Box<ConfigError> },
    /// A key is unknown, or its value is of the wrong kind.
    #[error(
        "the settings do not fit: {0}; the table of settings in docs/src/settings.md lists every key with its range"
    )]
    Shape(Box<ConfigError>),
}

impl SettingsError {
    /// Refuses the text `value` of `key`; `remedy` says what would be right.
    pub(super) fn text(key: &str, value: &str, remedy: impl Into<String>) -> Self {
        let shown: String = value.chars().take(SHOWN_CHARACTERS).collect();
        let more = if shown.len() < value.len() { " (shortened)" } else { "" };
        Self::value(key, format_args!("{shown:?}{more}"), remedy)
    }

    /// Refuses anything else that can be shown.
    pub(super) fn value(key: &str, value: impl fmt::Display, remedy: impl Into<String>) -> Self {
        Self::Value { key: key.to_owned(), value: value.to_string(), remedy: remedy.into() }
    }
}
