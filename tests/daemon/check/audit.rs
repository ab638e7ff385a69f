//! Whether `check` says that the file of the audit trail can be written.

use std::fs;

use ec2_policy_enforcer::commands::check::{State, Subject};

use super::{found, on, report};
use crate::world::World;

fn with(path: &str) -> World {
    World::new().set("ENFORCER_AUDIT__TO", path)
}

#[tokio::test(start_paused = true)]
async fn a_file_that_can_be_written_is_fine_and_not_made() {
    let path = std::env::temp_dir().join(format!("check-audit-{}.jsonl", std::process::id()));
    let text = found(&with(path.to_str().unwrap()), Subject::Audit, State::Ok).await;
    assert!(text.contains("can be written"), "{text}");
    assert!(!path.exists());
    fs::write(&path, "{\"audit\":1").unwrap();
    found(&with(path.to_str().unwrap()), Subject::Audit, State::Ok).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"audit\":1", "it is left as it is");
    fs::remove_file(path).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_fails_with_the_remedy() {
    let world = with("/nowhere/audit.jsonl");
    let report = report(&world).await;
    let finding = on(&report, Subject::Audit);
    assert_eq!(finding.state, State::Failed);
    assert!(finding.found.starts_with("audit.to = \"/nowhere/audit.jsonl\": cannot open it"));
    assert_eq!(report.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_file_there_is_nothing_to_say() {
    for to in ["off", "stdout"] {
        let report = report(&with(to)).await;
        assert!(report.findings.iter().all(|finding| finding.subject != Subject::Audit));
    }
}
