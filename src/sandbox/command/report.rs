//! The report that the command prints at its end: a table of outcomes and a summary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::fleet::Fleet;
use super::judged::Judged;
use super::outcomes::{self, Row};
use crate::cli::table::Table;
use crate::sandbox::{Call, Sandbox};

/// With more rows than this, which a screen does not hold, the table has counts instead.
const MAX_ROWS: usize = 30;

/// The widest texts in a table with policies, in characters: it then fits a line of 120.
const TAGS_WIDTH: usize = 21;
const POLICIES_WIDTH: usize = 26;
const NOTICE_WIDTH: usize = 36;

/// What happened to the events, and which calls it took.
#[derive(Debug)]
pub(super) struct Report {
    rows: Vec<Row>,
    /// Whether the table says which policies decided.
    names_policies: bool,
    /// Whether the table says whose the instances are.
    names_accounts: bool,
    events: usize,
    deleted: usize,
    calls: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn of(sandbox: &Sandbox, fleet: &Fleet, judged: Option<&Judged>) -> Self {
        let ledger = sandbox.ledger().split_off(judged.map_or(0, Judged::calls));
        let mut calls = BTreeMap::new();
        for call in &ledger {
            *calls.entry(call.operation.clone()).or_default() += 1;
        }
        let rows = outcomes::rows(sandbox, fleet, judged);
        let names_policies = judged.is_some();
        let names_accounts = sandbox.accounts().len() > 1;
        let (events, deleted) = (fleet.events(), deleted(&ledger));
        Self { rows, names_policies, names_accounts, events, deleted, calls }
    }

    fn table(&self) -> Table {
        match self.rows.len() {
            ..=MAX_ROWS if self.names_policies => self.list_with_policies(),
            ..=MAX_ROWS => self.list(),
            _ => self.counts(),
        }
    }

    fn list(&self) -> Table {
        let first = self.placed("ACCOUNT", "INSTANCE");
        let head = [first.as_str(), "TAGS", "OUTCOME", "BEFORE", "AFTER", "NOTICE: EC2 <ID> …"];
        let mut columns = Table::headed(head);
        for row in &self.rows {
            let Row { account, instance, tags, outcome, before, after, notice, .. } = row;
            columns.add([&self.placed(account, instance), tags, outcome, before, after, notice]);
        }
        columns
    }

    /// The outcome says which states an instance was in, which leaves room for the policies.
    fn list_with_policies(&self) -> Table {
        let first = self.placed("ACCOUNT", "INSTANCE");
        let head = [first.as_str(), "TAGS", "OUTCOME", "POLICY", "NOTICE: EC2 <ID> …"];
        let mut columns = Table::headed(head);
        for Row { account, instance, tags, outcome, policies, notice, .. } in &self.rows {
            let [tags, policies, notice] = [
                shortened(tags, TAGS_WIDTH),
                shortened(policies, POLICIES_WIDTH),
                shortened(notice, NOTICE_WIDTH - self.placed("", "").len()),
            ];
            columns.add([&self.placed(account, instance), &tags, outcome, &policies, &notice]);
        }
        columns
    }

    fn counts(&self) -> Table {
        let mut counts: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for row in &self.rows {
            let first = self.placed(&row.account, row.outcome);
            let (instances, notices) =
                counts.entry((first, row.before.as_str(), row.after.as_str())).or_default();
            *instances += 1;
            *notices += usize::from(row.notice != "-");
        }
        let first = self.placed("ACCOUNT", "OUTCOME");
        let mut columns =
            Table::headed([first.as_str(), "BEFORE", "AFTER", "INSTANCES", "NOTICES"]);
        for ((first, before, after), (instances, notices)) in counts {
            columns.add([&first, before, after, &instances.to_string(), &notices.to_string()]);
        }
        columns
    }

    /// The first cell of a row, which is two if there are several accounts: the account has 12 digits.
    fn placed(&self, account: &str, cell: &str) -> String {
        if self.names_accounts { format!("{account:12}  {cell}") } else { cell.to_owned() }
    }

    fn write_calls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.calls.values().sum();
        // In hundredths and rounded, with whole numbers, so that nothing is converted to a float.
        let per_event = (all * 100 + self.events / 2).checked_div(self.events).unwrap_or_default();
        let (whole, hundredths) = (per_event / 100, per_event % 100);
        let each: Vec<_> =
            self.calls.iter().map(|(operation, count)| format!("{operation} {count}")).collect();
        writeln!(f, "{all} AWS calls, {whole}.{hundredths:02} per event: {}", each.join(", "))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |outcome| self.rows.iter().filter(|row| row.outcome == outcome).count();
        let (rejected, open) = (count("rejected"), count("open"));
        writeln!(f, "{}", self.table())?;
        write!(f, "{} events: {} messages deleted", self.events, self.deleted)?;
        write!(f, ", {rejected} rejected and left for the dead-letter queue")?;
        writeln!(f, ", {open} open")?;
        self.write_calls(f)
    }
}

/// The beginning of a text that is wider than `width` characters.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let start: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", start.trim_end())
}

/// Counts the messages whose deletion succeeded.
fn deleted(ledger: &[Call]) -> usize {
    let calls = ledger.iter().filter(|call| {
        call.acted.is_some() && matches!(&*call.operation, "DeleteMessage" | "DeleteMessageBatch")
    });
    let deleted = calls.flat_map(|call| {
        let failed: BTreeSet<_> = call.failed.iter().map(|(message, _)| message).collect();
        call.subjects.iter().filter(move |message| !failed.contains(message))
    });
    deleted.collect::<BTreeSet<_>>().len()
}
