//! Tells the variables of the environment apart by their names: those that are settings, those that
//! look like one and are none, and the others. An empty variable is unset.

use super::error::SettingsError;

/// Every setting with its default, its unit and its range.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");
/// What the long names begin with.
pub(super) const PREFIX: &str = "ENFORCER";
/// The short names and the keys that they override.
pub(super) const SHORT_NAMES: [(&str, &str); 3] = [
    ("SQS_QUEUE_URL", "queue.url"),
    ("SNS_TOPIC_ARN", "topic.arn"),
    ("EXCEPTION_TAG", "policy.exception_tag"),
];
/// What the variables begin with that each give a unit of accounts its name.
const UNITS: &str = "ENFORCER_POLICY__UNITS__";
/// The letters that every variable of ours begins with, in any case.
const FAMILY: &str = "enforcer";
/// The letters of the short name that may be left out. A slip in one of the others is noticed by
/// what is missing then.
const TAG_LETTERS: &str = "exceptiontag";

/// What a variable is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A setting, or one of an unknown section or key, which is refused when the layers are read.
    Setting,
    /// Another program's, or empty.
    Foreign,
    /// Nothing that is read, although its name suggests that it is.
    Unread,
    /// A misspelt setting; the right names, in words.
    Slip(String),
}

/// A key of `config/default.toml`.
struct Key<'defaults> {
    section: &'defaults str,
    name: &'defaults str,
}

/// The variables that are settings.
///
/// # Errors
/// For a variable that is a misspelt setting: ignored, it could have every exempt instance stopped.
pub(super) fn settings_in(
    environment: Vec<(String, String)>,
) -> Result<Vec<(String, String)>, SettingsError> {
    let mut settings = Vec::new();
    for (name, value) in environment {
        match kind(&name, &value) {
            Kind::Setting => settings.push((name, value)),
            Kind::Foreign | Kind::Unread => {}
            Kind::Slip(right) => {
                let remedy = format!("write {right}, or remove it");
                return Err(SettingsError::Name { name, remedy });
            }
        }
    }
    Ok(settings)
}

/// The names that suggest a setting although nothing reads them, in alphabetical order.
pub(super) fn unread(environment: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let unread = environment.filter(|(name, value)| kind(name, value) == Kind::Unread);
    let mut names: Vec<_> = unread.map(|(name, _)| name).collect();
    names.sort();
    names
}

/// Whether a variable has the form `ENFORCER_SECTION__KEY`.
pub(super) fn is_long(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_'));
    rest.is_some_and(|rest| rest.contains("__"))
}

fn kind(name: &str, value: &str) -> Kind {
    if value.is_empty() || is_of_kubernetes(name, value) {
        return Kind::Foreign;
    }
    if short_names().chain(keys().map(|key| key.variable())).any(|right| right == name) {
        return Kind::Setting;
    }
    if name.strip_prefix(UNITS).is_some_and(|unit| !unit.is_empty()) {
        return Kind::Setting;
    }
    let letters = letters(name);
    let Some(own) = letters.strip_prefix(FAMILY) else { return kind_without_prefix(&letters) };
    if let Some(right) = meant(own) {
        return Kind::Slip(right);
    }
    if is_long(name) {
        return Kind::Setting;
    }
    match keys().find(|key| is_in_section(name, key.section)) {
        Some(Key { section, .. }) => Kind::Slip(variables_of(section)),
        None => Kind::Unread,
    }
}

/// Whether a name begins as the variables of a section do, such as `ENFORCER_SIZES_BACTH`.
fn is_in_section(name: &str, section: &str) -> bool {
    let is_separator = |one: char| !one.is_ascii_alphanumeric();
    let name = name.to_ascii_lowercase();
    let rest = name.strip_prefix(FAMILY).map(|rest| rest.trim_start_matches(is_separator));
    let key = rest.and_then(|rest| rest.strip_prefix(section));
    key.is_some_and(|key| key.starts_with(is_separator))
}

/// What a variable is whose name does not begin with `ENFORCER`.
fn kind_without_prefix(letters: &str) -> Kind {
    match short_names().find(|short| self::letters(short) == letters) {
        Some(short) => Kind::Slip(short),
        None if letters.contains(TAG_LETTERS) => Kind::Unread,
        None => Kind::Foreign,
    }
}

/// The names of the setting that these letters end in; of several, that of the longest match. For
/// example, `sqsqueueurl` ends in `SQS_QUEUE_URL`, and in the key `url`, too.
fn meant(letters: &str) -> Option<String> {
    let matches = keys().filter_map(|key| Some((key.longest_end_of(letters)?, key)));
    let (_, key) = matches.max_by_key(|(length, _)| *length)?;
    let short = key.short_name().map(|short| format!("{short} or ")).unwrap_or_default();
    Some(short + &key.variable())
}

/// All variables of a section, in words.
fn variables_of(section: &str) -> String {
    let of_section = keys().filter(|key| key.section == section);
    let variables: Vec<_> = of_section.map(|key| key.variable()).collect();
    match variables.as_slice() {
        [only] => only.clone(),
        several => format!("one of {}", several.join(", ")),
    }
}

impl Key<'_> {
    /// Its variable, `ENFORCER_SECTION__KEY`.
    fn variable(&self) -> String {
        format!("{PREFIX}_{}__{}", self.section, self.name).to_ascii_uppercase()
    }

    fn short_name(&self) -> Option<&'static str> {
        let dotted = format!("{}.{}", self.section, self.name);
        SHORT_NAMES.iter().find(|(_, key)| *key == dotted).map(|(short, _)| *short)
    }

    /// How many of these letters, from their end on, are a name of this key.
    fn longest_end_of(&self, letters: &str) -> Option<usize> {
        let whole = format!("{}{}", self.section, self.name);
        let names = [Some(&*whole), Some(self.name), self.short_name()];
        let ends = names.into_iter().flatten().map(self::letters);
        ends.filter(|end| letters.ends_with(&**end)).map(|end| end.len()).max()
    }
}

/// Every key of `config/default.toml`, those that are commented out too.
fn keys() -> impl Iterator<Item = Key<'static>> {
    let mut section = "";
    DEFAULTS.lines().filter_map(move |line| {
        if let Some(heading) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = heading;
        }
        assignment(line).map(|(name, _)| Key { section, name })
    })
}

/// The key and the value of a line of `config/default.toml`.
pub(super) fn assignment(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ")?;
    let sound = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    sound.then_some((key, value))
}

fn short_names() -> impl Iterator<Item = String> {
    SHORT_NAMES.iter().map(|(short, _)| (*short).to_owned())
}

/// A name without its separators, in lower case.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect()
}

/// Whether Kubernetes sets such a variable in every container of a namespace, for a Service in it
/// ("Service: environment variables", Kubernetes documentation). A Service called `enforcer-admin`
/// brings `ENFORCER_ADMIN_SERVICE_HOST` and `ENFORCER_ADMIN_PORT_9464_TCP_ADDR`, for example.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    if let Some((_, port_name)) = name.rsplit_once("_SERVICE_PORT") {
        return (port_name.is_empty() || port_name.starts_with('_'))
            && value.parse::<u16>().is_ok();
    }
    name.ends_with("_SERVICE_HOST")
        || (name.ends_with("_PORT") && value.contains("://"))
        || is_port_of_kubernetes(name)
}

/// Whether a name ends as in `…_PORT_9464_TCP` or `…_PORT_9464_TCP_ADDR`.
fn is_port_of_kubernetes(name: &str) -> bool {
    let without = |name, ends: [&str; 3]| ends.iter().find_map(|end| str::strip_suffix(name, end));
    let name = without(name, ["_ADDR", "_PORT", "_PROTO"]).unwrap_or(name);
    let Some(port) = without(name, ["_TCP", "_UDP", "_SCTP"]) else { return false };
    let stem = port.trim_end_matches(|one: char| one.is_ascii_digit());
    stem.len() < port.len() && stem.ends_with("_PORT_")
}
