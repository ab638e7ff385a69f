//! What two sets of policies make of starts, as tables.

use std::collections::BTreeMap;

use super::change::{Change, Changed, Compared};
use crate::cli::table::Table;
use crate::commands::lines::counted;

impl Change {
    fn text(self) -> &'static str {
        match self {
            Self::NewlyStopped => "newly stopped",
            Self::NewlySpared => "newly spared",
        }
    }
}

/// What became of starts: a row for each that changes, one for each policy and account, and the
/// counts.
#[derive(Debug)]
pub(super) struct Report {
    /// The rows that were not printed yet.
    starts: Table,
    /// How many starts change.
    changes: BTreeMap<Change, usize>,
    /// How many starts change by a policy, in an account.
    policies: BTreeMap<(Change, String, String), usize>,
    /// How many starts were decided by both sets.
    pub decided: usize,
    /// How many lines could not be.
    pub undecided: usize,
    /// Of how many starts no policy is asked.
    not_asked: usize,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            starts: Table::headed(["LINE", "INSTANCE", "ACCOUNT", "CHANGE", "POLICIES"]),
            changes: BTreeMap::new(),
            policies: BTreeMap::new(),
            decided: 0,
            undecided: 0,
            not_asked: 0,
        }
    }

    /// Counts a line.
    ///
    /// # Errors
    /// The line could not be decided, as the caller found.
    pub(super) fn add(&mut self, line: Result<Option<Compared>, String>) -> Result<(), String> {
        match line {
            Err(_) => self.undecided += 1,
            Ok(None) => {}
            Ok(Some(Compared::NotAsked)) => self.not_asked += 1,
            Ok(Some(Compared::Same)) => self.decided += 1,
            Ok(Some(Compared::Changed(ref changed))) => {
                self.decided += 1;
                self.change(changed);
            }
        }
        line.map(drop)
    }

    fn change(&mut self, Changed { line, stored, change, policies }: &Changed) {
        let (instance, account) = (stored.instance.as_str(), stored.account.as_str());
        let row = [&*line.to_string(), instance, account, change.text(), &policies.join(",")];
        self.starts.add(row);
        *self.changes.entry(*change).or_default() += 1;
        for policy in policies {
            let key = (*change, policy.clone(), account.to_owned());
            *self.policies.entry(key).or_default() += 1;
        }
    }

    /// The starts that change and were not printed yet.
    pub(super) fn starts(&mut self) -> String {
        if self.changes.is_empty() { String::new() } else { self.starts.take() }
    }

    /// How many starts are newly stopped.
    pub(super) fn stopped(&self) -> usize {
        self.count(Change::NewlyStopped)
    }

    fn count(&self, change: Change) -> usize {
        self.changes.get(&change).copied().unwrap_or_default()
    }

    /// What is printed after all starts.
    pub(super) fn end(&self) -> String {
        let mut text = String::new();
        if !self.policies.is_empty() {
            text = format!("\n{}\n", self.by_policy());
        }
        let [stopped, spared] =
            [Change::NewlyStopped, Change::NewlySpared].map(|it| self.count(it));
        let lines = counted(self.decided + self.undecided + self.not_asked);
        let counts = format!("{lines}: {stopped} newly stopped, {spared} newly spared");
        let rest = [(self.undecided, "cannot be decided"), (self.not_asked, "did not run")];
        let rest = rest.into_iter().filter(|(count, _)| *count > 0);
        let rest = rest.map(|(count, said)| format!("; {count} {said}"));
        text + &counts + &rest.collect::<String>() + "\n"
    }

    fn by_policy(&self) -> Table {
        let mut table = Table::headed(["CHANGE", "POLICY", "ACCOUNT", "STARTS"]);
        for ((change, policy, account), count) in &self.policies {
            table.add([change.text(), policy, account, &count.to_string()]);
        }
        table
    }
}
