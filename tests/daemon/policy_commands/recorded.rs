//! Starts that were recorded by other policies than those that decide by them.

use ec2_policy_enforcer::sandbox::{Launch, State};

use super::{Folder, ID, TYPES, facts, run, told};
use crate::program::serve;

/// A policy by an attribute that the built-in policy does not read, and one by a tag.
const VPC: &str = "@id(\"vpc\") @mode(\"enforce\")\n\
    forbid (principal, action == Action::\"run\", resource) when { resource has vpcId };\n";
const COST: &str = "@id(\"cost\") @mode(\"enforce\")\n\
    forbid (principal, action == Action::\"run\", resource)\n\
    unless { resource.hasTag(\"CostCenter\") };\n";

#[tokio::test]
async fn a_recorded_start_is_decided_by_attributes_that_no_policy_read_and_not_by_such_tags() {
    let served = serve().await;
    let launch = Launch::default().id(ID).quiet().state(State::Running);
    served.aws.launch(launch.tagged("CostCenter", "7"));
    let folder =
        Folder::with(&[("old/a.cedar", TYPES), ("vpc/a.cedar", VPC), ("cost/a.cedar", COST)]);
    folder.write("day.jsonl", &served.aws.event(ID));
    let (code, recorded, _) =
        told(run(&served, &folder.0, &["replay", "day.jsonl", "--json"]).await);
    assert_eq!(code, 0);
    assert!(recorded.contains("\"read\":{\"tags\":[\"SPECIAL_EXCEPTION\"]}"), "{recorded}");
    assert!(recorded.contains("\"vpcId\":"), "{recorded}");
    folder.write("starts.jsonl", &recorded);
    let diff = |new| ["policy", "diff", "old", new, "--replay", "starts.jsonl"];
    let (code, stdout, stderr) = told(run(&served, &folder.0, &diff("vpc")).await);
    assert_eq!((code, &*stderr), (1, ""), "{stdout}");
    assert!(stdout.ends_with("1 line: 1 newly stopped, 0 newly spared\n"), "{stdout}");
    let (code, _, stderr) = told(run(&served, &folder.0, &diff("cost")).await);
    assert_eq!(code, 1);
    assert!(stderr.starts_with("line 1: read.tags lacks \"CostCenter\", and policies"), "{stderr}");
    let check = ["policy", "check", "cost/a.cedar", "--replay", "starts.jsonl"];
    let (_, _, stderr) = told(run(&served, &folder.0, &check).await);
    assert!(stderr.starts_with("warning: the tag key \"CostCenter\" was not read"), "{stderr}");
}

#[tokio::test]
async fn a_comparison_of_which_no_line_is_decided_is_no_pass() {
    let (served, folder) = (serve().await, Folder::with(&[("a.cedar", TYPES), ("none.jsonl", "")]));
    let mut gone = facts("m5.large");
    gone["facts"]["state"] = "terminated".into();
    folder.write("gone.jsonl", &gone.to_string());
    for file in ["none.jsonl", "gone.jsonl"] {
        let diff = ["policy", "diff", "a.cedar", "a.cedar", "--replay", file];
        let (code, _, stderr) = told(run(&served, &folder.0, &diff).await);
        assert_eq!(code, 1, "{file}");
        assert!(stderr.contains("no line can be decided"), "{stderr}");
    }
}

#[tokio::test]
async fn a_long_replay_is_told_in_parts_whose_columns_agree() {
    let served = serve().await;
    let text = format!("{}\n", facts("m5.large")).repeat(2_500);
    let folder = Folder::with(&[("starts.jsonl", &*text)]);
    let (code, stdout, _) = told(run(&served, &folder.0, &["replay", "starts.jsonl"]).await);
    assert_eq!(code, 0);
    assert!(stdout.ends_with("\n2500 lines: 2500 stop\n"), "{stdout}");
    let rows: Vec<_> = stdout.lines().skip(1_001).take(1_500).collect();
    assert!(rows.iter().all(|row| row.contains("  i-0123456789abcdef0  123456789012  stop")));
}
