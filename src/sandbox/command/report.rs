//! The report that the command prints at its end: a table of outcomes and a summary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::fleet::Fleet;
use super::outcomes::{self, Row};
use crate::cli::table::Table;
use crate::sandbox::{Call, Sandbox};

/// With more rows than this, which a screen does not hold, the table has counts instead.
const MAX_ROWS: usize = 30;

/// What happened to the events, and which calls it took.
#[derive(Debug)]
pub(super) struct Report {
    rows: Vec<Row>,
    events: usize,
    deleted: usize,
    calls: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn of(sandbox: &Sandbox, fleet: &Fleet) -> Self {
        let ledger = sandbox.ledger();
        let mut calls = BTreeMap::new();
        for call in &ledger {
            *calls.entry(call.operation.clone()).or_default() += 1;
        }
        let rows = outcomes::rows(sandbox, fleet);
        Self { rows, events: fleet.events(), deleted: deleted(&ledger), calls }
    }

    fn table(&self) -> Table {
        if self.rows.len() > MAX_ROWS { self.counts() } else { self.list() }
    }

    fn list(&self) -> Table {
        let head = ["INSTANCE", "TAGS", "OUTCOME", "BEFORE", "AFTER", "NOTICE: EC2 <ID> …"];
        let mut columns = Table::headed(head);
        for row in &self.rows {
            let Row { instance, tags, outcome, before, after, notice } = row;
            columns.add([instance, tags, outcome, before, after, notice]);
        }
        columns
    }

    fn counts(&self) -> Table {
        let mut counts: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for row in &self.rows {
            let (instances, notices) =
                counts.entry((row.outcome, row.before.as_str(), row.after.as_str())).or_default();
            *instances += 1;
            *notices += usize::from(row.notice != "-");
        }
        let mut columns = Table::headed(["OUTCOME", "BEFORE", "AFTER", "INSTANCES", "NOTICES"]);
        for ((outcome, before, after), (instances, notices)) in counts {
            columns.add([outcome, before, after, &instances.to_string(), &notices.to_string()]);
        }
        columns
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
