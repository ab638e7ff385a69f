//! What two sets of policies make of starts, as tables.

use std::collections::BTreeMap;

use super::change::{Change, Changed};
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

/// A row for each start that changes, one for each policy and account, and the counts.
pub(super) fn text(changes: &[Changed], lines: usize, unreadable: usize) -> String {
    let mut text = String::new();
    if !changes.is_empty() {
        text = format!("{}\n{}\n", starts(changes), policies(changes));
    }
    let count = |wanted| changes.iter().filter(|changed| changed.change == wanted).count();
    let [stopped, spared] = [Change::NewlyStopped, Change::NewlySpared].map(count);
    let lines = counted(lines);
    let unreadable = match unreadable {
        0 => String::new(),
        count => format!("; {count} cannot be read"),
    };
    text + &format!("{lines}: {stopped} newly stopped, {spared} newly spared{unreadable}\n")
}

fn starts(changes: &[Changed]) -> Table {
    let mut table = Table::headed(["LINE", "INSTANCE", "ACCOUNT", "CHANGE", "POLICIES"]);
    for Changed { line, stored, change, policies } in changes {
        let policies = policies.join(",");
        let account = stored.account.as_str();
        table.add([&line.to_string(), stored.instance.as_str(), account, change.text(), &policies]);
    }
    table
}

fn policies(changes: &[Changed]) -> Table {
    let mut counts = BTreeMap::<_, usize>::new();
    for Changed { stored, change, policies, .. } in changes {
        for policy in policies {
            *counts.entry((*change, policy.as_str(), stored.account.as_str())).or_default() += 1;
        }
    }
    let mut table = Table::headed(["CHANGE", "POLICY", "ACCOUNT", "STARTS"]);
    for ((change, policy, account), count) in counts {
        table.add([change.text(), policy, account, &count.to_string()]);
    }
    table
}
