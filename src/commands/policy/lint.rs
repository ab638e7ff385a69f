//! Tag keys that policies mention and nothing else knows. Any text can be the key of a tag, so that
//! no schema finds a misspelt one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::cases::{Case, Cases};
use crate::commands::lines::{Lines, counted};
use crate::domain::policy::Policies;
use crate::domain::policy::facts::Tags;
use crate::domain::policy::reads::Reads;
use crate::domain::policy::stored::Stored;
use crate::domain::policy::stored::sample;

/// What the keys of AWS's own tags begin with.
const AWS: &str = "aws:";

/// A line for each tag key that policies mention, and that neither cases have nor lines of
/// `replay`.
///
/// # Errors
/// The file cannot be read.
pub(super) fn warnings(
    policies: &Policies,
    cases: Cases,
    replay: Option<&Path>,
) -> anyhow::Result<Vec<String>> {
    let mut known = Known::default();
    known.add_cases(cases);
    if let Some(replay) = replay {
        known.add_lines(replay, policies.reads())?;
    }
    let mentioned = policies.reads().tags.iter();
    let unknown = mentioned.filter(|key| {
        *key != policies.exception_tag() && !key.starts_with(AWS) && !known.keys.contains(*key)
    });
    let unknown: Vec<_> = unknown.collect();
    if known.instances == 0 && !unknown.is_empty() {
        known.warnings.push(NOTHING_TO_COMPARE.to_owned());
        return Ok(known.warnings);
    }
    let warnings: Vec<_> = unknown.into_iter().map(|key| known.unknown(key)).collect();
    known.warnings.extend(warnings);
    Ok(known.warnings)
}

const NOTHING_TO_COMPARE: &str = "warning: no case shows the tags of instances, so that misspelt \
     keys are not found;\n  write cases in *.toml files beside the policies, or give --replay FILE";

/// The tag keys of instances that are known.
#[derive(Default)]
struct Known {
    keys: BTreeSet<String>,
    /// How many lines were recorded by policies that did not read a key, by that key.
    unread: BTreeMap<String, usize>,
    /// How many instances there are.
    instances: usize,
    /// What cannot be read.
    warnings: Vec<String>,
}

impl Known {
    /// Warns of a key that nothing has.
    fn unknown(&self, key: &str) -> String {
        match self.unread.get(key) {
            None => {
                format!("warning: no case and no line has the tag key \"{key}\"; is it misspelt?")
            }
            Some(lines) => format!(
                "warning: the tag key \"{key}\" was not read for {};\n  replay the events again \
                 with these policies, or write cases in *.toml files beside them",
                counted(*lines)
            ),
        }
    }

    fn add_cases(&mut self, cases: Cases) {
        self.warnings.extend(cases.warnings());
        for Case { stored, .. } in cases.list {
            self.add(stored);
        }
        self.warnings.extend(cases.mistakes.iter().map(|mistake| format!("warning: {mistake}")));
    }

    /// Adds what lines with facts have. Bodies of events have no tags.
    fn add_lines(&mut self, path: &Path, reads: &Reads) -> anyhow::Result<()> {
        let now = sample::now();
        for line in Lines::open(path)? {
            let line = line?;
            let read = match line.json() {
                Ok(json) if !Stored::is_meant(&json) => continue,
                Ok(json) => Stored::read(&json, now).map_err(|wrong| wrong.to_string()),
                Err(wrong) => Err(wrong),
            };
            match read {
                Ok(stored) => {
                    for key in stored.unread_tags(reads) {
                        *self.unread.entry(key.to_owned()).or_default() += 1;
                    }
                    self.add(stored);
                }
                Err(wrong) => self.warnings.push(format!("warning: line {}: {wrong}", line.number)),
            }
        }
        Ok(())
    }

    fn add(&mut self, stored: Stored) {
        let Stored { facts, first_tags, .. } = stored;
        let keys = |tags: Tags| tags.into_keys();
        self.keys.extend(keys(facts.tags).chain(keys(first_tags)));
        self.instances += 1;
    }
}
