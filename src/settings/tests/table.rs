//! The table of settings in the book, held to `config/default.toml`.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::LazyLock;

use super::given::variable;
use crate::settings::names::{DEFAULTS, SHORT_NAMES, assignment};

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub key: String,
    pub default: String,
    /// The range of a number.
    pub range: Option<RangeInclusive<i64>>,
    pub environment: String,
}

impl Row {
    /// The default, if it is a number.
    pub(super) fn number(&self) -> Option<i64> {
        self.default.split(' ').next()?.parse().ok()
    }
}

/// A key of `config/default.toml`.
struct BuiltIn {
    key: String,
    /// As TOML; `None` if the key is commented out.
    default: Option<String>,
    /// In one line.
    comment: String,
}

/// The rows of the table.
pub(super) fn rows() -> &'static [Row] {
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| page().lines().filter_map(row).collect());
    &ROWS
}

/// The page that has the table.
fn page() -> String {
    fs::read_to_string(Path::new("docs/src/settings.md")).unwrap()
}

/// Reads a line that has the columns of the table and begins with a dotted key.
fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
    let [key, default, range, environment, ""] = cells[..] else { return None };
    let key = key.strip_prefix('`')?.strip_suffix('`')?;
    environment.contains("ENFORCER_").then(|| Row {
        key: key.to_owned(),
        default: default.to_owned(),
        range: range_in(range),
        environment: environment.to_owned(),
    })
}

/// The first `N to M` in a text.
fn range_in(text: &str) -> Option<RangeInclusive<i64>> {
    let words: Vec<&str> =
        text.split(' ').map(|word| word.trim_matches([',', '.', ':', ';'])).collect();
    words.windows(3).find_map(|words| {
        let [from, "to", to] = words else { return None };
        Some(from.parse().ok()?..=to.parse().ok()?)
    })
}

/// The keys of `config/default.toml`, those that are commented out too.
fn keys() -> Vec<BuiltIn> {
    let (mut keys, mut section, mut comment) = (Vec::new(), "", String::new());
    for line in DEFAULTS.lines() {
        if let Some(heading) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = heading;
        } else if let Some((key, value)) = assignment(line) {
            let default = (!line.starts_with('#')).then(|| value.to_owned());
            let comment = std::mem::take(&mut comment);
            keys.push(BuiltIn { key: format!("{section}.{key}"), default, comment });
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
        } else {
            comment.clear();
        }
    }
    keys
}

#[test]
fn every_key_of_the_file_has_a_row_and_every_row_a_key() {
    let of_file: Vec<_> = keys().into_iter().map(|key| key.key).collect();
    let of_table: Vec<_> = rows().iter().map(|row| row.key.clone()).collect();
    assert_eq!(of_table, of_file);
    assert!(of_file.len() >= 23, "{of_file:?}");
}

#[test]
fn the_table_has_the_defaults_of_the_file() {
    for (row, key) in rows().iter().zip(keys()) {
        let same = match key.default.as_deref() {
            // What a setting without a value means stands in its comment, word for word.
            None | Some("[]" | "\"\"") => {
                key.comment.to_lowercase().contains(&row.default.to_lowercase())
            }
            Some(truth @ ("true" | "false")) => row.default == format!("`{truth}`"),
            Some(list) if list.starts_with('[') => {
                row.default == list.trim_matches(['[', ']']).replace('"', "`")
            }
            Some(text) if text.starts_with('"') => row.default == text.replace('"', "`"),
            Some(number) => row.number() == number.parse().ok() && row.number().is_some(),
        };
        assert!(same, "{} is {}, but {:?} in the file", row.key, row.default, key.default);
    }
}

#[test]
fn the_table_has_the_ranges_of_the_file() {
    for (row, key) in rows().iter().zip(keys()) {
        assert_eq!(row.range, range_in(&key.comment), "{}", row.key);
    }
}

#[test]
fn the_table_has_the_names_in_the_environment() {
    for row in rows() {
        let short = SHORT_NAMES.iter().find(|(_, key)| *key == row.key);
        let short = short.map(|(short, _)| format!("`{short}`, ")).unwrap_or_default();
        assert_eq!(row.environment, format!("{short}`{}`", variable(&row.key)));
    }
}
