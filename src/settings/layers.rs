//! Lays the sources of the settings over each other: built in, file, environment, short names.

use std::fs;
use std::path::Path;

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, ConfigError, Environment, File, FileFormat, Value};
use serde::de::DeserializeOwned;

use super::error::SettingsError;
use super::names::{self, DEFAULTS, PREFIX, SHORT_NAMES};
use super::reader::Given;

/// Reads all layers into what `T` wants of them; the later ones win, the short names last.
pub(super) fn read<T: DeserializeOwned>(
    file: Option<&Path>,
    environment: Vec<(String, String)>,
) -> Result<T, SettingsError> {
    let environment = names::settings_in(environment)?;
    let mut layers = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(path) = file {
        layers = layers.add_source(File::from_str(&toml(path)?, FileFormat::Toml));
    }
    let merged = over(layers, environment)?;
    T::deserialize(Given(merged)).map_err(with_short_name)
}

/// Reads the file and makes sure that it is TOML, so that the refusal can name it.
fn toml(path: &Path) -> Result<String, SettingsError> {
    let text = fs::read_to_string(path)
        .map_err(|error| SettingsError::File { path: path.to_owned(), error })?;
    Config::builder()
        .add_source(File::from_str(&text, FileFormat::Toml))
        .build()
        .map_err(|error| SettingsError::Toml { path: path.to_owned(), error: Box::new(error) })?;
    Ok(text)
}

/// Lays the environment over the other layers.
fn over(
    mut layers: ConfigBuilder<DefaultState>,
    environment: Vec<(String, String)>,
) -> Result<Value, ConfigError> {
    let (long, short): (Vec<_>, Vec<_>) =
        environment.into_iter().partition(|(name, _)| names::is_long(name));
    let long = Environment::with_prefix(PREFIX)
        .prefix_separator("_")
        .separator("__")
        .source(Some(long.into_iter().collect()));
    layers = layers.add_source(long);
    for (name, value) in short {
        if let Some((_, key)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
            layers = layers.set_override(*key, value)?;
        }
    }
    layers.build()?.try_deserialize()
}

/// Names the short name beside the key whose value is missing or refused, if it has one.
fn with_short_name(error: SettingsError) -> SettingsError {
    if matches!(error, SettingsError::Shape { .. }) {
        return error;
    }
    error.with_key(|key| match SHORT_NAMES.iter().find(|(_, of)| *of == key) {
        Some((short, _)) => format!("{key} ({short})"),
        None => key.to_owned(),
    })
}
