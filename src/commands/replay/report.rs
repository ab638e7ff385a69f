//! What became of lines, as a table or as JSON lines.

use std::mem;

use serde_json::{Value, json};

use super::entry::Replayed;
use super::summary::Summary;
use crate::cli::table::Table;
use crate::commands::judging::words::{at, label, reason};
use crate::commands::judging::{denying, faults};
use crate::commands::lines::counted;

/// The widest line of the summary, in characters.
const WIDTH: usize = 120;

/// What is printed, line by line, and at the end.
pub(super) enum Report {
    /// A table, and the summary in words.
    Text(Table),
    /// A JSON object for each line, and one with the summary.
    Json,
}

impl Report {
    /// A table without rows.
    pub(super) fn table() -> Self {
        Self::Text(Table::headed(["LINE", "INSTANCE", "ACCOUNT", "VERDICT", "POLICIES"]))
    }

    /// What became of further lines.
    pub(super) fn lines(&mut self, replayed: &[(usize, Replayed)]) -> String {
        match self {
            Self::Text(table) => {
                for (line, replayed) in replayed {
                    add(table, *line, replayed);
                }
                table.take()
            }
            Self::Json => {
                let lines = replayed.iter().map(|(line, replayed)| object(*line, replayed));
                lines.map(|line| line.to_string() + "\n").collect()
            }
        }
    }

    /// A sentence for each line that cannot be read, and for each policy that could not be
    /// evaluated. JSON has them in its objects.
    pub(super) fn complaints(&self, replayed: &[(usize, Replayed)]) -> Vec<String> {
        let Self::Text(_) = self else { return Vec::new() };
        let complaints = replayed.iter().flat_map(|(line, replayed)| {
            let whys = match replayed {
                Replayed::Unreadable(why) => vec![why.clone()],
                Replayed::Judged(judged) => faults(&judged.1).collect(),
                _ => Vec::new(),
            };
            whys.into_iter().map(move |why| format!("line {line}: {why}"))
        });
        complaints.collect()
    }

    /// What is printed after all lines.
    pub(super) fn end(&self, summary: &Summary) -> String {
        match self {
            Self::Text(_) => format!("\n{}", summary_text(summary)),
            Self::Json => json!({ "summary": summary_json(summary) }).to_string() + "\n",
        }
    }
}

/// Adds a row for a line that can be read.
fn add(table: &mut Table, line: usize, replayed: &Replayed) {
    let line = line.to_string();
    match replayed {
        Replayed::Judged(judged) => {
            let (stored, judgement) = &**judged;
            let (instance, account) = (stored.instance.as_str(), stored.account.as_str());
            let policies = denying(judgement, None).join(",");
            table.add([&*line, instance, account, label(judgement), &policies]);
        }
        Replayed::Gone(key) => {
            let (instance, account) = (key.instance.as_str(), key.account.as_str());
            table.add([&*line, instance, account, "gone", ""]);
        }
        Replayed::Ignored(reason) => table.add([&*line, "-", "-", "ignored", reason]),
        Replayed::Unreadable(_) => {}
    }
}

fn summary_text(summary: &Summary) -> String {
    let mut text = String::new();
    if !summary.policies.is_empty() {
        let mut table = Table::headed(["POLICY", "ACCOUNT", "STARTS"]);
        for ((policy, account), count) in &summary.policies {
            table.add([policy, account.as_str(), &count.to_string()]);
        }
        text = format!("{table}\n");
    }
    let verdicts = summary.verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}"));
    let unreadable = (summary.unreadable > 0).then(|| format!("{} unreadable", summary.unreadable));
    let faulty = (summary.faulty > 0).then(|| format!("{} not fully evaluated", summary.faulty));
    let nothing = (summary.lines == 0).then(|| "nothing".to_owned());
    let counts: Vec<_> = verdicts.chain(unreadable).chain(faulty).chain(nothing).collect();
    text + &wrapped(format!("{}:", counted(summary.lines)), &counts)
}

/// Counts with commas between them, on as many lines as they need.
fn wrapped(head: String, counts: &[String]) -> String {
    let mut lines = Vec::new();
    let mut line = head;
    for (place, count) in counts.iter().enumerate() {
        let comma = if place + 1 < counts.len() { "," } else { "" };
        if line.chars().count() + count.chars().count() + " ,".len() > WIDTH {
            lines.push(mem::replace(&mut line, " ".to_owned()));
        }
        line.extend([" ", count, comma]);
    }
    lines.push(line);
    lines.join("\n") + "\n"
}

fn object(line: usize, replayed: &Replayed) -> Value {
    match replayed {
        Replayed::Judged(judged) => {
            let (stored, judgement) = &**judged;
            let faults = judgement.decision.faults.iter();
            let faults =
                faults.map(|fault| json!({ "policy": fault.policy, "error": fault.error }));
            // The keys beside these are those of facts, so that the line can be replayed.
            let mut object = stored.json();
            object["replayed"] = json!({
                "line": line,
                "verdict": label(judgement),
                "reason": reason(judgement.verdict),
                "at": at(judgement.verdict),
                "policies": denying(judgement, None),
                "errors": faults.collect::<Vec<_>>(),
            });
            object
        }
        Replayed::Gone(key) => json!({
            "account": key.account,
            "region": key.region,
            "instance": key.instance.as_str(),
            "replayed": { "line": line, "verdict": "gone" },
        }),
        Replayed::Ignored(reason) => {
            json!({ "replayed": { "line": line, "verdict": "ignored", "reason": reason } })
        }
        Replayed::Unreadable(why) => json!({ "replayed": { "line": line, "error": why } }),
    }
}

fn summary_json(summary: &Summary) -> Value {
    let policies = summary.policies.iter().map(|((policy, account), starts)| {
        json!({ "policy": policy, "account": account, "starts": starts })
    });
    json!({
        "lines": summary.lines,
        "unreadable": summary.unreadable,
        "faulty": summary.faulty,
        "verdicts": summary.verdicts,
        "policies": policies.collect::<Vec<_>>(),
    })
}
