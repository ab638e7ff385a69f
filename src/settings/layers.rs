//! Lays the sources of the settings over each other: built in, file, environment, short names.

use std::fmt;
use std::fs;
use std::path::Path;

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, ConfigError, Environment, File, FileFormat};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::error::SettingsError;

const DEFAULTS: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "ENFORCER";
/// The sections, as the environment writes them.
const SECTIONS: [&str; 10] =
    ["POLICY", "QUEUE", "TOPIC", "SCOPE", "SIZES", "RATE_LIMIT", "RETRY", "LOG", "ADMIN", "DRAIN"];
/// The short names and the keys that they override.
const SHORT_NAMES: [(&str, &str); 3] = [
    ("SQS_QUEUE_URL", "queue.url"),
    ("SNS_TOPIC_ARN", "topic.arn"),
    ("EXCEPTION_TAG", "policy.exception_tag"),
];

/// The settings as they are written, unchecked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub policy: Policy,
    #[serde(default)]
    pub queue: Queue,
    #[serde(default)]
    pub topic: Topic,
    pub scope: Scope,
    pub sizes: Sizes,
    pub rate_limit: RateLimit,
    pub retry: Retry,
    #[serde(default)]
    pub log: Log,
    pub admin: Admin,
    pub drain: Drain,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub exception_tag: String,
    pub denial_timeout_secs: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Queue {
    pub url: Option<String>,
    pub wait_secs: Number,
    pub visibility_timeout_secs: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Topic {
    pub arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    pub account: Option<String>,
    pub regions: List,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sizes {
    pub batch: Number,
    pub stop_batch: Number,
    pub inbox: Number,
    pub stop_queue: Number,
    pub pollers: Number,
    pub evaluators: Number,
    pub enforcers: Number,
    pub notifiers: Number,
    pub settlers: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateLimit {
    pub share_percent: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    pub first_ms: Number,
    pub cap_ms: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub listen: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub filter: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drain {
    pub timeout_secs: Number,
}

/// Reads all layers; the later ones win, the short names last.
pub(super) fn read(
    file: Option<&Path>,
    environment: Vec<(String, String)>,
) -> Result<Written, SettingsError> {
    environment.iter().try_for_each(|(name, value)| refuse_slip(name, value))?;
    let mut layers = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(path) = file {
        layers = layers.add_source(File::from_str(&toml(path)?, FileFormat::Toml));
    }
    over(layers, environment).map_err(|error| SettingsError::Shape(Box::new(error)))
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

fn over(
    mut layers: ConfigBuilder<DefaultState>,
    environment: Vec<(String, String)>,
) -> Result<Written, ConfigError> {
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
        |section: &&str| name.strip_prefix("ENFORCER_")?.strip_prefix(*section)?.strip_prefix('_');
    let Some((section, key)) = SECTIONS.iter().find_map(|section| Some((section, key(section)?)))
    else {
        return Ok(());
    };
    if key.starts_with('_') {
        return Ok(());
    }
    let remedy = format!("no such setting; ENFORCER_{section}__{key} has two underscores");
    Err(SettingsError::text(name, value, remedy))
}

/// A whole number, written as such or (in the environment) as text; `config` itself would round
/// fractions and take `true` for 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number(pub i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let wrong = || E::custom(format_args!("{text:?} is not a whole number"));
        text.parse().map(Number).map_err(|_| wrong())
    }
}

/// Several texts, written as an array or (in the environment) with commas between them.
#[derive(Debug, Default)]
pub(super) struct List(pub Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list, or text with commas")
    }

    fn visit_str<E>(self, text: &str) -> Result<List, E> {
        let items = text.split(',').map(|item| item.trim().to_owned());
        Ok(List(if text.is_empty() { Vec::new() } else { items.collect() }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(List(list))
    }
}
