//! Lays the sources of the settings over each other: built in, file, environment, short names.

use std::fs;
use std::path::Path;

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, ConfigError, Environment, File, FileFormat, Value};
use serde::de::DeserializeOwned;

use super::error::SettingsError;
use super::reader::Given;

/// Every setting with its default, its unit and its range.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "ENFORCER";
/// The short names and the keys that they override.
pub(super) const SHORT_NAMES: [(&str, &str); 3] = [
    ("SQS_QUEUE_URL", "queue.url"),
    ("SNS_TOPIC_ARN", "topic.arn"),
    ("EXCEPTION_TAG", "policy.exception_tag"),
];

/// Reads all layers into what `T` wants of them; the later ones win, the short names last.
pub(super) fn read<T: DeserializeOwned>(
    file: Option<&Path>,
    environment: Vec<(String, String)>,
) -> Result<T, SettingsError> {
    environment.iter().try_for_each(|(name, value)| refuse_slip(name, value))?;
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
        environment.into_iter().partition(|(name, _)| is_long_name(name));
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

/// Whether a variable has the form `ENFORCER_SECTION__KEY`; others with the prefix are not ours.
fn is_long_name(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_'));
    rest.is_some_and(|rest| rest.contains("__"))
}

/// Refuses a name that means one of our sections but has one underscore too few.
fn refuse_slip(name: &str, value: &str) -> Result<(), SettingsError> {
    let key =
        |section: &str| name.strip_prefix("ENFORCER_")?.strip_prefix(section)?.strip_prefix('_');
    let Some((section, key)) =
        sections().find_map(|section| Some((section.clone(), key(&section)?)))
    else {
        return Ok(());
    };
    if key.starts_with('_') {
        return Ok(());
    }
    let remedy = format!("no such setting; ENFORCER_{section}__{key} has two underscores");
    Err(SettingsError::text(name, value, remedy))
}

/// The sections, as the environment writes them.
fn sections() -> impl Iterator<Item = String> {
    let headings = DEFAULTS.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
    headings.map(str::to_ascii_uppercase)
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
