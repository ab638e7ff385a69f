//! What `policy` finds beside policies: units of their cases, and mistakes in them.

use super::{Folder, TYPES, facts, run, told};
use crate::program::serve;

/// A policy about the accounts of a unit.
const SANDBOX: &str = "@id(\"types\") @mode(\"enforce\")\n\
    forbid (principal, action == Action::\"run\", resource in Unit::\"sandbox\");\n";

/// A file with a case, whose unit has this account.
fn unit(account: &str) -> String {
    format!("[units]\nsandbox = [\"{account}\"]\n[[case]]\nname = \"x\"\ndenies = []\n")
}

#[tokio::test]
async fn each_side_of_a_comparison_has_the_units_of_its_own_cases() {
    let (served, folder) = (serve().await, Folder::new());
    for (side, account) in [("old", "222222222222"), ("new", "123456789012")] {
        folder.write(&format!("{side}/a.cedar"), SANDBOX);
        folder.write(&format!("{side}/a.toml"), &unit(account));
    }
    folder.write("starts.jsonl", &facts("m5.large").to_string());
    for [old, new] in [["old", "new"], ["old/a.cedar", "new/a.cedar"]] {
        let diff = ["policy", "diff", old, new, "--replay", "starts.jsonl"];
        let (code, stdout, stderr) = told(run(&served, &folder.0, &diff).await);
        assert_eq!((code, &*stderr), (1, ""), "{stdout}");
        assert!(stdout.ends_with("1 line: 1 newly stopped, 0 newly spared\n"), "{stdout}");
    }
}

#[tokio::test]
async fn a_mistake_in_cases_is_told_in_place_of_what_follows_from_it() {
    let served = serve().await;
    let folder = Folder::with(&[("a.cedar", SANDBOX), ("a.toml", "[units\n")]);
    folder.write("starts.jsonl", &facts("m5.large").to_string());
    for arguments in [
        &["policy", "check", "a.cedar"][..],
        &["policy", "test", "."],
        &["policy", "diff", ".", ".", "--replay", "starts.jsonl"],
    ] {
        let (code, stdout, stderr) = told(run(&served, &folder.0, arguments).await);
        assert_eq!((code, &*stdout), (1, ""), "{arguments:?}");
        assert!(stderr.starts_with("./a.toml:1:"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[tokio::test]
async fn settings_beside_policies_are_warned_of_and_refuse_nothing() {
    let served = serve().await;
    let folder = Folder::with(&[("a.cedar", TYPES), ("b.toml", "[policy]\nbuiltin = false\n")]);
    folder.write("starts.jsonl", &facts("t3.micro").to_string());
    let diff = ["policy", "diff", "a.cedar", "a.cedar", "--replay", "starts.jsonl"];
    let (code, _, stderr) = told(run(&served, &folder.0, &diff).await);
    assert_eq!(code, 0);
    assert!(stderr.starts_with("warning: ./b.toml: policy is not known; "), "{stderr}");
}

#[tokio::test]
async fn a_named_file_that_cannot_be_read_ends_with_1() {
    let (served, folder) = (serve().await, Folder::new());
    let (code, stdout, stderr) =
        told(run(&served, &folder.0, &["policy", "check", "none.cedar"]).await);
    assert_eq!((code, &*stdout), (1, ""));
    assert!(stderr.contains("cannot read none.cedar: "), "{stderr}");
}

#[tokio::test]
async fn policies_without_a_case_are_no_pass() {
    let (served, folder) = (serve().await, Folder::with(&[("a.cedar", TYPES)]));
    for arguments in [&["policy", "test", "."][..], &["policy", "test", "--require", "."]] {
        let (code, stdout, stderr) = told(run(&served, &folder.0, arguments).await);
        assert_eq!((code, &*stdout), (1, ""));
        assert!(stderr.contains("there is no case in ."), "{stderr}");
    }
}
