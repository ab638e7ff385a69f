//! What became of lines, as a table, and as JSON lines.

use serde_json::{Value, json};

use super::entry::Replayed;
use super::summary::Summary;
use crate::cli::table::Table;
use crate::commands::judging::denying;
use crate::commands::judging::words::{at, label, reason};
use crate::commands::lines::counted;

/// A row for each line that can be read, and the summary.
pub(super) fn text(replayed: &[(usize, Replayed)], summary: &Summary) -> String {
    let mut table = Table::headed(["LINE", "INSTANCE", "ACCOUNT", "VERDICT", "POLICIES"]);
    for (line, replayed) in replayed {
        let line = line.to_string();
        match replayed {
            Replayed::Judged(judged) => {
                let (stored, judgement) = &**judged;
                let (instance, account) = (stored.instance.as_str(), stored.account.as_str());
                let policies = denying(judgement, None).join(",");
                table.add([&*line, instance, account, label(judgement.verdict), &policies]);
            }
            Replayed::Gone(key) => {
                let (instance, account) = (key.instance.as_str(), key.account.as_str());
                table.add([&*line, instance, account, "gone", ""]);
            }
            Replayed::Ignored(reason) => table.add([&*line, "-", "-", "ignored", reason]),
            Replayed::Unreadable(_) => {}
        }
    }
    format!("{table}\n{}", summary_text(summary))
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
    let counts: Vec<_> = verdicts.chain(unreadable).collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    text + &format!("{}: {counts}\n", counted(summary.lines))
}

/// A sentence for each line that cannot be read.
pub(super) fn complaints(replayed: &[(usize, Replayed)]) -> Vec<String> {
    let complaint = |(line, replayed): &(usize, Replayed)| match replayed {
        Replayed::Unreadable(why) => Some(format!("line {line}: {why}")),
        _ => None,
    };
    replayed.iter().filter_map(complaint).collect()
}

/// An object for each line, and one with the summary.
pub(super) fn json(replayed: &[(usize, Replayed)], summary: &Summary) -> String {
    let lines = replayed.iter().map(|(line, replayed)| object(*line, replayed));
    let lines = lines.chain([json!({ "summary": summary_json(summary) })]);
    lines.map(|line| line.to_string() + "\n").collect()
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
                "verdict": label(judgement.verdict),
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
        "verdicts": summary.verdicts,
        "policies": policies.collect::<Vec<_>>(),
    })
}
