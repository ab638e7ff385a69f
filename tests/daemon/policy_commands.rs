//! The subcommands for work on policies, as the built program.

mod book;
mod recorded;
mod sides;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use ec2_policy_enforcer::sandbox::{Launch, State};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::program::{Served, call, serve};

const ID: &str = "i-0123456789abcdef0";

/// A policy against all types but `t3.micro`.
const TYPES: &str = "@id(\"types\") @mode(\"enforce\")\n\
    forbid (principal, action == Action::\"run\", resource)\n\
    unless { resource.instanceType == \"t3.micro\" };\n";

/// A folder that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static FOLDERS: AtomicUsize = AtomicUsize::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("commands-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self::new();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a command in a folder.
async fn run(served: &Served, folder: &Path, arguments: &[&str]) -> Output {
    let mut program = call(served, arguments[0]);
    let program = program.args(&arguments[1..]).current_dir(folder).stderr(Stdio::piped());
    program.output().await.unwrap()
}

/// The exit code, stdout and stderr.
fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn facts(instance_type: &str) -> Value {
    json!({
        "account": "123456789012", "region": "us-east-1", "instance": ID,
        "now": "2026-12-02T10:00:00Z",
        "facts": { "instanceType": instance_type, "tags": {} },
    })
}

#[tokio::test]
async fn policies_that_are_refused_end_with_78_and_a_line_for_each_mistake() {
    let (served, text) = (serve().await, TYPES.replace("instanceType", "instanceTyp"));
    let folder = Folder::with(&[("a.cedar", &*text), ("b.cedar", "")]);
    let output = run(&served, &folder.0, &["policy", "check", "a.cedar", "b.cedar"]).await;
    let (code, stdout, stderr) = told(output);
    assert_eq!((code, &*stdout), (78, ""));
    let lines: Vec<_> = stderr.lines().collect();
    assert!(
        lines[0].starts_with("a.cedar:3:10: attribute 'instanceTyp' on entity type"),
        "{stderr}"
    );
    assert_eq!(
        lines[1..],
        ["b.cedar:1:1: there is no policy in it; write a policy into it, or leave it out"]
    );
}

#[tokio::test]
async fn settings_that_cannot_work_end_with_78() {
    let served = serve().await;
    let mut program = call(&served, "policy");
    let output = program.arg("check").env("ENFORCER_POLICY__MODE", "stop").stderr(Stdio::piped());
    let (code, stdout, stderr) = told(output.output().await.unwrap());
    assert_eq!((code, &*stdout), (78, ""));
    assert!(stderr.contains("policy.mode = "), "{stderr}");
}

#[tokio::test]
async fn the_policies_that_people_copy_pass_their_cases() {
    let (served, project) = (serve().await, Path::new(env!("CARGO_MANIFEST_DIR")));
    let arguments = ["policy", "test", "--require", "config/policies"];
    let (code, stdout, stderr) = told(run(&served, project, &arguments).await);
    assert_eq!((code, &*stderr), (0, ""), "{stdout}");
    let (code, stdout, stderr) =
        told(run(&served, project, &["policy", "check", "config/policies"]).await);
    assert_eq!((code, &*stderr), (0, ""), "{stdout}");
    assert_eq!(stdout.lines().count(), 10, "{stdout}");
}

#[tokio::test]
async fn a_folder_without_policies_is_no_pass() {
    let case = "[[case]]\nname = \"x\"\ndenies = []\n";
    let (served, folder) = (serve().await, Folder::with(&[("a.toml", case)]));
    let (code, stdout, stderr) = told(run(&served, &folder.0, &["policy", "test", "."]).await);
    assert_eq!((code, &*stdout), (1, ""));
    assert!(stderr.contains("there is no file *.cedar in ."), "{stderr}");
}

#[tokio::test]
async fn a_tag_key_that_no_case_and_no_line_has_is_warned_of() {
    let served = serve().await;
    let policy =
        TYPES.replace("resource.instanceType == \"t3.micro\"", "resource.hasTag(\"Ownr\")");
    let case = "[[case]]\nname = \"x\"\ndenies = []\ninstance.tags = { Owner = \"me\" }\n";
    let folder = Folder::with(&[("a.cedar", &*policy)]);
    let (code, _, stderr) = told(run(&served, &folder.0, &["policy", "check", "a.cedar"]).await);
    assert_eq!(code, 0);
    assert!(stderr.starts_with("warning: no case shows the tags of instances"), "{stderr}");
    folder.write("a.toml", case);
    let warning = "warning: no case and no line has the tag key \"Ownr\"; is it misspelt?\n";
    let output = run(&served, &folder.0, &["policy", "check", "a.cedar"]).await;
    assert_eq!((told(output).2).as_str(), warning);
    let mut start = facts("t3.micro");
    start["facts"]["tags"] = json!({ "Ownr": "me" });
    folder.write("starts.jsonl", &start.to_string());
    let replay = ["policy", "check", "a.cedar", "--replay", "starts.jsonl"];
    assert_eq!(told(run(&served, &folder.0, &replay).await).2, "");
}

#[tokio::test]
async fn a_case_that_is_decided_otherwise_ends_with_1_and_stands_in_the_xml() {
    let case = "[[case]]\nname = \"small & fine\"\ndenies = [\"types\"]\n";
    let (served, folder) = (serve().await, Folder::with(&[("a.cedar", TYPES), ("a.toml", case)]));
    let arguments = ["policy", "test", ".", "--junit", "results.xml", "--require"];
    let (code, stdout, stderr) = told(run(&served, &folder.0, &arguments).await);
    let expected = "FAILED ./a.toml:1: small & fine\n       types should deny, and does not\n\
                    FAILED --require: types has a case that it denies, and one that it does not\n       \
                    no case expects types not to deny\n0 passed, 2 failed\n";
    assert_eq!((code, &*stdout, &*stderr), (1, expected, ""));
    let xml = fs::read_to_string(folder.0.join("results.xml")).unwrap();
    assert!(xml.contains("<testcase name=\"small &amp; fine\" classname=\"./a.toml\""), "{xml}");
    folder.write("a.toml", "[[case]]\nname = \"x\"\ndenies = []\ninstance.instanceTyp = \"x\"\n");
    let (code, stdout, stderr) = told(run(&served, &folder.0, &["policy", "test", "."]).await);
    assert_eq!((code, &*stdout), (1, ""));
    assert!(
        stderr.starts_with("./a.toml:1: case \"x\": instance.instanceTyp is not known; did you")
    );
}

#[tokio::test]
async fn too_many_newly_stopped_starts_end_with_1_and_nothing_is_called() {
    let (served, stricter) = (serve().await, TYPES.replace("t3.micro", "t4g.micro"));
    let folder = Folder::with(&[("old/a.cedar", TYPES), ("new/a.cedar", &*stricter)]);
    folder.write("starts.jsonl", &format!("{}\n{}\n", facts("t3.micro"), facts("m5.large")));
    let arguments = ["policy", "diff", "old", "new", "--replay", "starts.jsonl"];
    let (code, stdout, _) = told(run(&served, &folder.0, &arguments).await);
    assert_eq!(code, 1);
    assert!(stdout.ends_with("2 lines: 1 newly stopped, 0 newly spared\n"), "{stdout}");
    let allowed = [&arguments[..], &["--allow", "1"]].concat();
    assert_eq!(told(run(&served, &folder.0, &allowed).await).0, 0);
    folder.write("starts.jsonl", "{}");
    let (code, _, stderr) = told(run(&served, &folder.0, &allowed).await);
    assert_eq!((code, stderr.starts_with("line 1: has no facts; ")), (1, true), "{stderr}");
    assert!(served.aws.ledger().is_empty());
}

#[tokio::test]
async fn a_live_instance_is_explained_by_both_calls_and_stays_as_it_is() {
    let served = serve().await;
    served.aws.launch(Launch::default().id(ID).quiet().state(State::Running).tagged("Name", "web"));
    let folder = Folder::new();
    let (code, stdout, stderr) = told(run(&served, &folder.0, &["explain", ID]).await);
    assert_eq!((code, &*stderr), (0, ""), "{stdout}");
    assert!(stdout.contains("builtin  enforce  denies\n"), "{stdout}");
    assert!(stdout.contains("What would be done: it would be stopped at once"), "{stdout}");
    assert!(stdout.contains("a tag of the key SPECIAL_EXCEPTION, whatever its value"), "{stdout}");
    let calls: Vec<_> = served.aws.ledger().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["GetCallerIdentity", "DescribeTags", "DescribeInstances"]);
}

#[tokio::test]
async fn an_instance_that_ec2_does_not_know_ends_with_1() {
    let (served, folder) = (serve().await, Folder::new());
    let (code, stdout, stderr) = told(run(&served, &folder.0, &["explain", ID]).await);
    assert_eq!((code, &*stdout), (1, ""));
    assert!(
        stderr.contains("EC2 does not know i-0123456789abcdef0 in account 123456789012"),
        "{stderr}"
    );
}

#[tokio::test]
async fn facts_on_stdin_are_explained_without_a_call() {
    let (served, folder) = (serve().await, Folder::with(&[("a.cedar", TYPES)]));
    let mut program = call(&served, "explain");
    let program = program.args(["--facts", "-", "--json"]).current_dir(&folder.0);
    let program = program.env("ENFORCER_POLICY__FILES", "a.cedar").stdin(Stdio::piped());
    let mut child =
        program.env_remove("SQS_QUEUE_URL").env_remove("SNS_TOPIC_ARN").spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(facts("m5.large").to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let (code, stdout, _) = told(child.wait_with_output().await.unwrap());
    let json: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &json["verdict"]), (0, &json!("stop")), "{stdout}");
    assert_eq!(json["policies"][1]["id"], "types");
    assert!(served.aws.ledger().is_empty());
}

#[tokio::test]
async fn events_are_replayed_by_looking_at_their_instances_together() {
    let served = serve().await;
    let mut lines = Vec::new();
    for number in 0..3 {
        let id = format!("i-0123456789abcdef{number}");
        if number > 0 {
            served.aws.launch(Launch::default().id(&*id).quiet().state(State::Running));
        }
        lines.push(served.aws.event(&id));
    }
    lines.push(lines[0].replace("running", "stopped"));
    let folder = Folder::with(&[("starts.jsonl", &*lines.join("\n"))]);
    let arguments = ["replay", "starts.jsonl", "--json"];
    let (code, stdout, stderr) = told(run(&served, &folder.0, &arguments).await);
    assert_eq!((code, &*stderr), (0, ""));
    let replayed: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<_> =
        replayed.iter().map(|line| line["replayed"]["verdict"].as_str()).collect();
    assert_eq!(verdicts[..4], [Some("gone"), Some("stop"), Some("stop"), Some("ignored")]);
    assert_eq!(replayed[4]["summary"]["verdicts"], json!({ "gone": 1, "ignored": 1, "stop": 2 }));
    let calls: Vec<_> = served.aws.ledger().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["GetCallerIdentity", "DescribeTags", "DescribeInstances"]);
    // What it wrote has facts, so that no call is needed for it.
    folder.write("again.jsonl", &stdout);
    let (code, stdout, _) = told(run(&served, &folder.0, &["replay", "again.jsonl"]).await);
    assert_eq!(code, 0);
    assert!(stdout.ends_with("4 lines: 2 ignored, 2 stop\n"), "{stdout}");
    assert_eq!(served.aws.ledger().len(), calls.len());
}

#[tokio::test]
async fn more_events_than_a_call_takes_are_looked_up_by_several_calls() {
    let served = serve().await;
    let launch = || served.aws.launch(Launch::default().quiet().state(State::Running));
    let lines: Vec<_> = (0..250).map(|_| served.aws.event(&launch())).collect();
    let folder = Folder::with(&[("starts.jsonl", &*lines.join("\n"))]);
    let (code, stdout, _) = told(run(&served, &folder.0, &["replay", "starts.jsonl"]).await);
    assert_eq!(code, 0);
    assert!(stdout.ends_with("250 lines: 250 stop\n"), "{stdout}");
    let calls: Vec<_> = served.aws.ledger().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls[1..], ["DescribeTags", "DescribeInstances"].repeat(2));
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_told_by_its_number_and_ends_with_1() {
    let served = serve().await;
    let text = format!("{}\n\nnothing\n", facts("m5.large"));
    let folder = Folder::with(&[("starts.jsonl", &*text)]);
    let (code, stdout, stderr) = told(run(&served, &folder.0, &["replay", "starts.jsonl"]).await);
    assert_eq!(code, 1);
    assert!(stderr.starts_with("line 3: is no JSON: "), "{stderr}");
    assert!(stdout.ends_with("2 lines: 1 stop, 1 unreadable\n"), "{stdout}");
}
