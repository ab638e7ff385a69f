//! Policies at the start and at a reload of the built program: what its operator reads, and what it
//! does then.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use ec2_policy_enforcer::sandbox::Launch;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::program::{Served, ask, call, free_address, serve, signal, terminate};
use crate::world::World;

const LARGE: &str = "@id(\"small-only\") @mode(\"warn\")\n\
    forbid (principal, action == Action::\"run\", resource)\n\
    unless { resource.instanceType == \"t3.micro\" };\n";

/// A file of policies that is removed with the test.
struct File(PathBuf);

impl File {
    fn with(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}.cedar", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// A program that reads policies from a file, and its log.
struct Running {
    served: Served,
    file: File,
    child: Child,
    /// Where its admin port is.
    address: SocketAddr,
    log: Lines<BufReader<ChildStdout>>,
}

impl Running {
    async fn with(name: &str, policies: &str, arguments: &[&str]) -> Self {
        let (served, file) = (serve().await, File::with(name, policies));
        let address = free_address().await;
        let mut program = call(&served, "run");
        program.env("ENFORCER_ADMIN__LISTEN", address.to_string());
        program.args(arguments).stdout(Stdio::piped());
        program.env("ENFORCER_POLICY__FILES", &file.0).env("ENFORCER_POLICY__BUILTIN", "false");
        let mut child = program.spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { served, file, child, address, log }
    }

    fn reload(&self, policies: &str) {
        fs::write(&self.file.0, policies).unwrap();
        signal(&self.child, "HUP");
    }

    async fn line(&mut self, message: &str) -> Value {
        loop {
            let line = self.log.next_line().await.unwrap().unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
        }
    }

    async fn launch_large(&self) -> String {
        let id = self.served.aws.launch(Launch::default().instance_type("m5.large"));
        self.served.aws.until("it is settled", |aws| aws.messages().is_empty()).await;
        id
    }

    async fn ends_well(mut self) {
        terminate(&self.child);
        self.line("drained").await;
        assert_eq!(self.child.wait().await.unwrap().code(), Some(0));
    }
}

#[tokio::test]
async fn policies_are_promoted_by_sighup_from_warning_to_enforcing() {
    let mut running = Running::with("promoted", LARGE, &[]).await;
    let loaded = running.line("loaded a policy").await;
    assert_eq!((&loaded["policy"], &loaded["mode"]), (&"small-only".into(), &"warn".into()));
    let warned = running.launch_large().await;
    let line = running.line("left running; the warning is published").await;
    assert_eq!((&line["policies"], &line["mode"]), (&"small-only".into(), &"warn".into()));
    assert_eq!(line["instance.id"], *warned);
    running.reload(&LARGE.replace("warn", "enforce"));
    assert_eq!(running.line("re-read the settings").await["changed"], "policy.files");
    assert_eq!(running.line("loaded a policy").await["mode"], "enforce");
    running.launch_large().await;
    let line = running.line("stopped; the notice is published").await;
    assert_eq!((&line["policies"], &line["mode"]), (&"small-only".into(), &"enforce".into()));
    running.ends_well().await;
}

#[tokio::test]
async fn a_reload_of_policies_that_cannot_work_leaves_the_running_ones() {
    let mut running = Running::with("refused-reload", LARGE, &[]).await;
    running.line("ready").await;
    running.reload(&LARGE.replace("instanceType", "instanceTyp"));
    let refused = running.line("refused the changed settings; those in effect stay").await;
    let error = refused["error"].as_str().unwrap();
    assert!(error.contains(".cedar:3:10: attribute 'instanceTyp' on entity type"), "{error}");
    let (_, readiness) = ask(running.address, "/readyz").await;
    assert!(readiness.contains("warning: the last reload was refused"), "{readiness}");
    running.launch_large().await;
    running.line("left running; the warning is published").await;
    running.ends_well().await;
}

#[tokio::test]
async fn a_reload_with_a_grace_for_which_the_queue_cannot_wait_leaves_the_running_policies() {
    let mut running = Running::with("refused-grace", LARGE, &[]).await;
    running.line("ready").await;
    let enforced = LARGE.replace("\"warn\")", "\"enforce\") @grace(\"7d\") @since(\"2026-01-01\")");
    running.reload(&enforced);
    let refused = running.line("refused the changed settings; those in effect stay").await;
    let error = refused["error"].as_str().unwrap();
    let said = ".cedar:1:1: @grace of small-only = \"7d\": messages wait for 7 d for their stop";
    assert!(error.contains(said), "{error}");
    running.launch_large().await;
    running.line("left running; the warning is published").await;
    running.ends_well().await;
}

#[tokio::test]
async fn policies_that_cannot_work_end_the_start_with_78_and_a_line_for_each_mistake() {
    let text = LARGE.replace("instanceType", "instanceTyp")
        + "@id(\"b\") @mode(\"stop\")\nforbid (principal, action, resource) when { false };";
    let mut running = Running::with("refused-start", &text, &[]).await;
    let mut errors = Vec::new();
    while let Some(line) = running.log.next_line().await.unwrap() {
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "the settings cannot work" {
            errors.push(line["error"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(running.child.wait().await.unwrap().code(), Some(78));
    for said in [
        ":3:10: attribute 'instanceTyp' on entity type 'Instance' not found; did you mean",
        ":4:1: is not about the action \"run\"",
        ":4:10: @mode(\"stop\") cannot work; give @mode(\"dry-run\")",
    ] {
        assert!(errors.iter().any(|error| error.contains(said)), "{said}: {errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_says_that_nothing_is_stopped() {
    for (mode, remark) in [
        ("dry-run", "warning: dry run: nothing is stopped and nobody is told"),
        ("warn", "warning: nothing is stopped: policies only warn"),
    ] {
        let mut world = World::new().set("ENFORCER_POLICY__MODE", mode).started();
        world.aws.until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
        let remarks = world.health.remarks();
        assert!(remarks.iter().any(|one| one == remark), "{remarks:?}");
        world.drain().await;
    }
}

#[tokio::test]
async fn a_dry_run_is_said_at_the_start_and_stays_one_after_a_reload() {
    let enforcing = LARGE.replace("warn", "enforce");
    let mut running = Running::with("dry-run", &enforcing, &["--dry-run"]).await;
    running.line("dry run: nothing is stopped and nobody is told").await;
    let id = running.launch_large().await;
    let line = running.line("dry run: it would be stopped").await;
    assert_eq!((&line["outcome"], &line["mode"]), (&"would_stop".into(), &"dry_run".into()));
    running.reload(&enforcing.replace("t3.micro", "t3.small"));
    running.line("re-read the settings").await;
    running.launch_large().await;
    running.line("dry run: it would be stopped").await;
    assert!(running.served.aws.calls("StopInstances").is_empty(), "{id}");
    running.ends_well().await;
}
