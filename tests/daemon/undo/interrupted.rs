//! Runs that end in the middle: the next one goes on from the same file.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Launch, State};
use serde_json::Value;

use super::{Trail, sorted};
use crate::program::{call, serve};
use crate::world::{TAG, pass};

const SECOND: Duration = Duration::from_secs(1);

/// Ends a run when so many calls of an operation have arrived.
async fn run_until(trail: &Trail, operation: &str, calls: usize) {
    let arrived =
        trail.world.aws.until("the call arrives", |aws| aws.calls(operation).len() >= calls);
    tokio::select! {
        biased;
        () = arrived => {}
        shown = trail.undo(&[]) => panic!("{operation} {calls}: it ended: {}", shown.output),
    }
    // A call that had left the process has its effect after the end of that.
    pass(5 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_at_any_call_is_gone_on_with() {
    let points = [
        ("DescribeInstances", 1),
        ("CreateTags", 1),
        ("CreateTags", 2),
        ("DescribeTags", 1),
        ("StartInstances", 1),
        ("StartInstances", 2),
        ("StartInstances", 6),
    ];
    for (operation, calls) in points {
        let trail = Trail::new();
        let ids = trail.recorded(270).await;
        for (operation, secs) in [("CreateTags", 1), ("StartInstances", 2)] {
            trail.world.aws.latency(operation, secs * SECOND);
        }
        run_until(&trail, operation, calls).await;
        let tagged = trail.tagged();
        let tags = trail.world.calls("CreateTags");
        let shown = trail.undo(&[]).await;
        assert_eq!(shown.code, 0, "{operation} {calls}: {}", shown.output);
        assert_eq!(trail.starts(), sorted(&ids), "{operation} {calls}");
        let again = trail.world.aws.calls("CreateTags");
        let again = again[tags..].iter().flat_map(|call| &call.subjects);
        let again: Vec<_> = again.filter(|id| tagged.contains(*id)).collect();
        assert!(again.is_empty(), "{operation} {calls}: exempted twice: {again:?}");
        let shown = trail.undo(&[]).await;
        assert!(shown.output.ends_with("Nothing is to be started.\n"), "{}", shown.output);
        assert_eq!(shown.code, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trail_that_ends_in_the_middle_of_a_line_is_gone_on_with() {
    let trail = Trail::new();
    let ids = trail.recorded(2).await;
    trail.write("{\"audit\":1,\"kind\":\"start\",\"time\":\"2026-1");
    let shown = trail.undo(&[]).await;
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert!(shown.remarks.contains("1 audit lines cannot be read"), "{}", shown.remarks);
    let lines: Vec<_> = trail.lines("start");
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["by"], "arn:aws:sts::123456789012:assumed-role/sandbox/session");
    assert_eq!(trail.starts(), sorted(&ids));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_recorded_in_is_told_before_anything_is_done() {
    let trail = Trail::new();
    trail.recorded(1).await;
    let arguments = ["--yes", "--record", "/proc/nothing/undo.jsonl"];
    let error = trail.failure(&arguments).await;
    assert!(error.contains("name another file with --record"), "{error}");
    assert_eq!(trail.changes().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_recorded_in_another_file_where_that_is_named() {
    let trail = Trail::new();
    trail.recorded(3).await;
    let (before, record) = (trail.read(), trail.path("undo.jsonl"));
    trail.undo(&["--record", record.to_str().unwrap()]).await;
    assert_eq!(trail.read(), before);
    let text = fs::read_to_string(record).unwrap();
    let kinds: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| format!("{} {}", line["kind"], line["result"]).replace('"', ""))
        .collect();
    assert_eq!(kinds[..3], ["tag tagged"; 3]);
    assert_eq!(kinds[3..], ["start started"; 3]);
}

#[tokio::test]
async fn the_program_is_killed_and_run_again_from_the_same_file() {
    let served = serve().await;
    let trail = Trail::new();
    let aws = &served.aws;
    let mut ids: Vec<_> =
        (0..120).map(|_| aws.launch(Launch::default().quiet().state(State::Stopped))).collect();
    ids.sort();
    trail.write(&format!("{}\n", trail.line_of(aws, &ids)));
    aws.latency("StartInstances", Duration::from_millis(400));
    let from = trail.path("audit.jsonl");
    let undo = || {
        let mut program = call(&served, "undo");
        program.args(["--from", from.to_str().unwrap(), "--since", "2020-01-01", "--yes"]);
        program.stderr(Stdio::piped());
        program
    };
    let mut child = undo().spawn().unwrap();
    aws.until("it starts", |aws| aws.calls("StartInstances").len() >= 2).await;
    child.kill().await.unwrap();
    tokio::time::sleep(SECOND).await;
    let output = undo().output().await.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(ids.iter().all(|id| aws.instance(id).unwrap().state == State::Running));
    let mut starts: Vec<_> =
        aws.calls("StartInstances").into_iter().flat_map(|call| call.subjects).collect();
    starts.sort();
    assert_eq!(starts, ids);
    assert!(ids.iter().all(|id| aws.instance(id).unwrap().tags.contains_key(TAG)));
}

#[tokio::test]
async fn a_trail_on_stdin_is_recorded_on_stdout_which_has_nothing_else() {
    let served = serve().await;
    let trail = Trail::new();
    let id = served.aws.launch(Launch::default().quiet().state(State::Stopped));
    let line = trail.line_of(&served.aws, &[id]);
    let before = "2026-11-26T20:48:21.123000+00:00 daemon/task/0a1b ";
    trail.write(&format!("{before}{{\"message\":\"starting\"}}\n{before}{line}\n"));
    let mut undo = call(&served, "undo");
    undo.args(["--from", "-", "--since", "2020-01-01", "--yes"]).stderr(Stdio::piped());
    undo.stdin(fs::File::open(trail.path("audit.jsonl")).unwrap());
    let output = undo.output().await.unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let kinds: Vec<_> = stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone())
        .collect();
    assert_eq!(kinds, ["tag", "start"]);
    assert!(stderr.contains("1 of 1 to start"), "{stderr}");
}
