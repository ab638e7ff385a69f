//! Reads the files that `policy.files` names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use glob::MatchOptions;

use super::PolicySettings;
use crate::domain::policy::Source;
use crate::settings::error::SettingsError;

/// The largest file that is read, in bytes. A hundred policies take a tenth of it.
const SIZE_LIMIT: usize = 1 << 20;

/// As in a shell, `*` matches no hidden files, such as those that editors leave.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The texts of all policies in Cedar: those of the files, each once and in the order of their
/// paths, and then the setting `policy.inline`.
///
/// # Errors
/// A pattern that is none or matches no file, and a file that cannot be read.
pub(crate) fn sources(settings: &PolicySettings) -> Result<Vec<Source>, SettingsError> {
    let mut paths = BTreeSet::new();
    for (place, pattern) in settings.files.iter().enumerate() {
        let key = format!("policy.files[{place}]");
        let found =
            matching(pattern).map_err(|remedy| SettingsError::text(&key, pattern, remedy))?;
        paths.extend(found);
    }
    let mut sources = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    if !settings.inline.trim().is_empty() {
        let (name, text) = ("policy.inline".to_owned(), settings.inline.clone());
        sources.push(Source { name, text });
    }
    Ok(sources)
}

/// The files that match a pattern, of which there is at least one; or else what to do.
fn matching(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let paths = glob::glob_with(pattern, OPTIONS)
        .map_err(|error| format!("it is no pattern: {}", error.msg))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let reason = error.error();
            format!(
                "cannot read {}: {reason}; let the daemon's user read it",
                error.path().display()
            )
        })?;
        if !path.is_file() {
            return Err(format!(
                "{} matches it and is no file, or cannot be reached; remove it, or name the files",
                path.display()
            ));
        }
        files.push(path);
    }
    if files.is_empty() {
        Err("no file matches it; correct it, or remove it".to_owned())
    } else {
        Ok(files)
    }
}

/// Reads a file of policies.
///
/// # Errors
/// It cannot be read, or is too large.
pub(crate) fn read(path: &Path) -> Result<Source, SettingsError> {
    let refused = |error| SettingsError::PolicyFile { path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(refused)?;
    if text.len() > SIZE_LIMIT {
        let error = std::io::Error::other("it is larger than 1 MiB");
        return Err(refused(error));
    }
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(Source { name: path.display().to_string(), text })
}
