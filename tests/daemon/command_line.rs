//! The subcommands `check` and `generate`, as the built program.

use std::process::{Output, Stdio};

use ec2_policy_enforcer::sandbox::Launch;
use serde_json::Value;
use tokio::process::Command;

use crate::program::{BINARY, Served, call, serve};

async fn check(served: &Served, arguments: &[&str]) -> Output {
    call(served, "check").args(arguments).stderr(Stdio::piped()).output().await.unwrap()
}

async fn generate(arguments: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ec2-policy-enforcer"));
    let output = program.arg("generate").args(arguments).env_clear().output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn check_ends_with_0_where_nothing_failed_and_shows_a_table_on_stdout_alone() {
    let served = serve().await;
    served.aws.launch(Launch::default().quiet());
    let output = check(&served, &[]).await;
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(shown.starts_with("WHAT "), "{shown}");
    for row in ["clock  ok", "receiving  not proven", "topic  warning"] {
        let spaced = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let row = spaced(row);
        assert!(shown.lines().any(|line| spaced(line).starts_with(&row)), "{row}:\n{shown}");
    }
}

#[tokio::test]
async fn check_ends_with_1_where_something_failed_and_prints_json() {
    let served = serve().await;
    let output = check(&served, &["--json", "--instance", "i-0123456789abcdef0"]).await;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(document["exit_code"], 1);
    let failed = |finding: &&Value| finding["state"] == "failed";
    let findings = document["findings"].as_array().unwrap();
    let failed: Vec<_> = findings.iter().filter(failed).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["subject"], "stopping");
    assert!(failed[0]["remedy"].is_string());
}

#[tokio::test]
async fn check_warns_of_variables_that_are_not_read() {
    let served = serve().await;
    let mut program = call(&served, "check");
    let output = program.env("ENFORCER_STAGE", "dry").arg("--json").output().await.unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let warned = |finding: &&Value| finding["found"] == "no settings, and not read: ENFORCER_STAGE";
    let warned = document["findings"].as_array().unwrap().iter().find(warned);
    assert_eq!(warned.unwrap()["state"], "warning", "{document}");
}

#[tokio::test]
async fn check_ends_with_78_for_settings_that_cannot_work_and_makes_no_call() {
    let served = serve().await;
    let output = call(&served, "check").env("EXCEPTION_TAG", "aws:tag").output().await.unwrap();
    assert_eq!(output.status.code(), Some(78));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("EXCEPTION_TAG"), "{shown}");
    assert!(served.aws.ledger().is_empty());
}

#[tokio::test]
async fn completions_and_the_man_page_name_every_subcommand() {
    let completions = generate(&["completions", "--shell", "bash"]).await;
    let man = generate(&["man"]).await;
    for subcommand in ["run", "check", "sandbox", "generate"] {
        assert!(completions.contains(subcommand), "{subcommand}");
        assert!(
            man.contains(&format!("\n.SH \"{}\"\n", subcommand.to_uppercase())),
            "{subcommand}"
        );
    }
}

#[tokio::test]
async fn the_settings_are_printed_with_their_defaults_as_a_file_that_works() {
    let served = serve().await;
    let config = generate(&["config"]).await;
    assert_eq!(config, include_str!("../../config/default.toml"));
    let path = std::env::temp_dir().join(format!("generated-{}.toml", std::process::id()));
    std::fs::write(&path, config).unwrap();
    let output = check(&served, &["--config", path.to_str().unwrap()]).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn the_long_help_names_environment_files_exit_codes_and_examples() {
    let help = Command::new(BINARY).arg("--help").env_clear().output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for text in ["Environment:", "SQS_QUEUE_URL", "Files:", "Exit codes:", "  78", "Examples:"] {
        assert!(help.contains(text), "{text}:\n{help}");
    }
}
