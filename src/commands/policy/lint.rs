//! Tag keys that policies mention and nothing else knows. Any text can be the key of a tag, so that
//! no schema finds a misspelt one.

use std::collections::BTreeSet;
use std::path::Path;

use super::cases::{Case, Cases};
use crate::commands::lines;
use crate::domain::policy::Policies;
use crate::domain::policy::facts::Tags;
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
        known.add_lines(replay)?;
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
    known.warnings.extend(unknown.into_iter().map(|key| {
        format!("warning: no case and no line has the tag key \"{key}\"; is it misspelt?")
    }));
    Ok(known.warnings)
}

const NOTHING_TO_COMPARE: &str = "warning: no case beside the policies shows the tags of instances, \
     so that misspelt tag keys are not found; write cases in *.toml files, or give --replay FILE";

/// The tag keys of instances that are known.
#[derive(Default)]
struct Known {
    keys: BTreeSet<String>,
    /// How many instances there are.
    instances: usize,
    /// What cannot be read.
    warnings: Vec<String>,
}

impl Known {
    fn add_cases(&mut self, cases: Cases) {
        for Case { stored, .. } in cases.list {
            self.add(stored);
        }
        self.warnings.extend(cases.mistakes.iter().map(|mistake| format!("warning: {mistake}")));
    }

    /// Adds what lines with facts have. Bodies of events have no tags.
    fn add_lines(&mut self, path: &Path) -> anyhow::Result<()> {
        let now = sample::now();
        for line in lines::of(path)? {
            let read = match line.json() {
                Ok(json) if !Stored::is_meant(&json) => continue,
                Ok(json) => Stored::read(&json, now).map_err(|wrong| wrong.to_string()),
                Err(wrong) => Err(wrong),
            };
            match read {
                Ok(stored) => self.add(stored),
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
