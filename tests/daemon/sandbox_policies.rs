//! The subcommand `sandbox` with policies: which of them decided, as its table shows.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use tokio::process::Command;

use crate::program::BINARY;

/// A folder with one policy, which is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, policy: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("a.cedar"), policy).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

async fn sandbox(folder: &str, more: &[&str]) -> Output {
    let mut program = Command::new(BINARY);
    program.args(["sandbox", "--policies", folder]).args(more).env_clear().kill_on_drop(true);
    program.output().await.unwrap()
}

/// The table of a sandbox with these policies, by words.
async fn table(folder: &str, more: &[&str]) -> Vec<Vec<String>> {
    let output = sandbox(folder, more).await;
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let table = shown.split("\n\n").next().unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 120), "{shown}");
    let cells = |line: &str| line.split("  ").map(str::trim).map(str::to_owned).collect::<Vec<_>>();
    let filled = |cells: Vec<String>| cells.into_iter().filter(|cell| !cell.is_empty()).collect();
    table.lines().map(cells).map(filled).collect()
}

/// The row of the instance with this name.
fn row<'t>(table: &'t [Vec<String>], name: &str) -> &'t [String] {
    let begin = format!("Name={name}");
    table.iter().find(|row| row[1].starts_with(&begin)).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn the_table_names_the_policy_that_decided() {
    let table = table("config/policies", &[]).await;
    assert_eq!(table[0][..4], ["INSTANCE", "TAGS", "OUTCOME", "POLICY"]);
    for (name, policy) in [
        ("no-owner", "owner"),
        ("large-type", "sandbox-types"),
        ("public-imdsv1", "imdsv2-public"),
        ("gpu", "gpu-project, sandbox-types"),
        ("key-pair", "key-pair"),
        ("group-member", "key-pair-auto-scaling"),
        ("other-region", "regions"),
    ] {
        let notice = format!("violates {policy}");
        assert_eq!(row(&table, name)[2..], ["warned", policy, &notice], "{name}");
    }
    let forgotten = row(&table, "forgotten");
    assert_eq!((&*forgotten[2], &*forgotten[4]), ("would_stop", "-"));
    assert!(forgotten[3].starts_with("sandbox-age"), "{forgotten:?}");
    // By night it is not compliant.
    let compliant = row(&table, "compliant");
    assert!(["-", "working-hours"].contains(&&*compliant[3]), "{compliant:?}");
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_stopped_and_tells_nobody() {
    let table = table("config/policies", &["--dry-run"]).await;
    let no_owner = row(&table, "no-owner");
    assert_eq!((&*no_owner[2], &*no_owner[4]), ("would_stop", "-"));
    assert!(no_owner[3].starts_with("owner"), "{no_owner:?}");
    let told: Vec<_> = table[1..].iter().filter(|row| row[4] != "-").collect();
    assert!(told.is_empty(), "{told:?}");
}

#[tokio::test]
async fn an_enforced_policy_stops_what_can_be_stopped() {
    let policy = fs::read_to_string("config/policies/owner.cedar").unwrap();
    let folder = Folder::with("enforced", &policy.replace("@mode(\"warn\")", "@mode(\"enforce\")"));
    let table = table(folder.0.to_str().unwrap(), &[]).await;
    assert_eq!(row(&table, "no-owner")[2..], ["stopped", "owner", "Stopped"]);
    assert_eq!(row(&table, "gpu")[2..], ["compliant", "-", "-"]);
    let told = "NOT stopped: stop protection";
    assert_eq!(row(&table, "stop-protected")[2..], ["refused", "owner", told]);
}

#[tokio::test]
async fn the_table_does_not_wait_for_stops_that_are_to_be_planned() {
    let policy = fs::read_to_string("config/policies/sandbox-types.cedar").unwrap();
    let folder = Folder::with("graced", &policy.replace("@mode(\"warn\")", "@mode(\"enforce\")"));
    let table = table(folder.0.to_str().unwrap(), &[]).await;
    assert_eq!(row(&table, "large-type")[2..], ["open", "sandbox-types", "-"]);
    assert_eq!(row(&table, "no-owner")[2..], ["compliant", "-", "-"]);
}

#[tokio::test]
async fn a_policy_that_cannot_work_ends_the_sandbox_with_78_and_its_place() {
    let policy = fs::read_to_string("config/policies/sandbox-types.cedar").unwrap();
    let folder = Folder::with("misspelt", &policy.replace("instanceType)", "instanceTyp)"));
    let output = sandbox(folder.0.to_str().unwrap(), &[]).await;
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    let told = "attribute 'instanceTyp' on entity type 'Instance' not found; did you mean";
    assert!(said.contains(told) && said.contains("a.cedar:21:"), "{said}");
}

#[tokio::test]
async fn a_grace_for_which_the_queue_cannot_wait_ends_the_sandbox_with_78() {
    let policy = fs::read_to_string("config/policies/sandbox-types.cedar").unwrap();
    let policy = policy.replace("@mode(\"warn\")", "@mode(\"enforce\")");
    let folder = Folder::with("late", &policy.replace("@since(\"2026", "@since(\"2100"));
    let output = sandbox(folder.0.to_str().unwrap(), &[]).await;
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("@grace of sandbox-types"), "{said}");
}
