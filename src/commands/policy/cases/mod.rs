//! The test cases of policies: files in TOML, beside the policies.
//!
//! ```toml
//! [defaults]
//! account = "222222222222"
//!
//! [[case]]
//! name = "a large instance in the sandbox is refused"
//! denies = ["sandbox-types"]
//! instance = { instanceType = "m5.large", tags = { Name = "web" } }
//! ```
//!
//! - here: finds the files of a folder;
//! - `reading`: reads the cases of a file;
//! - `section`: what a case says of the instance;
//! - `toml`: TOML, and the lines on which its tables begin.

mod reading;
mod section;
mod toml;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

pub(in crate::commands) use reading::{Case, Cases};

/// Reads all cases of a folder.
///
/// # Errors
/// The folder or a file in it cannot be read.
pub(super) fn folder(folder: &Path) -> anyhow::Result<Cases> {
    let mut cases = Cases::default();
    for path in files(folder, "toml")? {
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        cases.extend(Cases::read(&path.display().to_string(), &text));
    }
    Ok(cases)
}

/// The Cedar files of a folder, or the one file that is named.
///
/// # Errors
/// The folder cannot be read, or has none.
pub(super) fn policy_files(path: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    if !path.is_dir() {
        return Ok([path.to_owned()].into());
    }
    let files = files(path, "cedar")?;
    ensure!(!files.is_empty(), "there is no file *.cedar in {}", path.display());
    Ok(files)
}

/// The cases in the folders in which files are.
///
/// # Errors
/// A folder or a file in it cannot be read.
pub(super) fn beside<'f>(files: impl IntoIterator<Item = &'f Path>) -> anyhow::Result<Cases> {
    let here = || PathBuf::from(".");
    let parent = |file: &Path| match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => here(),
    };
    let folders: BTreeSet<_> = files.into_iter().map(parent).collect();
    let mut cases = Cases::default();
    for path in folders {
        cases.extend(folder(&path)?);
    }
    Ok(cases)
}

/// The files of a folder whose names end like this, in the order of their names.
///
/// # Errors
/// The folder cannot be read.
fn files(folder: &Path, ending: &str) -> anyhow::Result<BTreeSet<PathBuf>> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot)?;
    let mut paths = BTreeSet::new();
    for entry in entries {
        let path = entry.with_context(cannot)?.path();
        if path.is_file() && path.extension().is_some_and(|it| it == ending) {
            paths.insert(path);
        }
    }
    Ok(paths)
}
