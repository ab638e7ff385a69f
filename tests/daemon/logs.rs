//! The output of the log: one that blocks holds up nothing, and the journal learns priorities.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Launch, Rule};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::time::timeout;

use crate::program::{ask, free_address, program, serve, terminate};

/// More lines than a pipe holds, which is 64 KiB.
const VIOLATORS: usize = 400;
/// How long the program may take to drain and to give up on its last lines.
const TIME_LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_pipe_that_nobody_reads_holds_up_neither_stops_nor_the_drain() {
    let served = serve().await;
    (0..VIOLATORS).for_each(|_| drop(served.aws.launch(Launch::default())));
    let mut child = program(&served).spawn().unwrap();
    served.aws.until("all are settled", |aws| aws.depth() == 0).await;
    assert_eq!(served.aws.notices().len(), VIOLATORS);
    terminate(&child);
    let status = timeout(TIME_LIMIT, child.wait()).await.expect("it does not end").unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_does_not_keep_a_failed_start_from_ending() {
    let served = serve().await;
    served.aws.inject(Rule::on("GetQueueAttributes"));
    let mut child = program(&served).env("RUST_LOG", "trace").spawn().unwrap();
    let tries =
        |aws: &ec2_policy_enforcer::sandbox::Sandbox| aws.calls("GetQueueAttributes").len() > 3;
    served.aws.until("it has tried", tries).await;
    terminate(&child);
    let status = timeout(TIME_LIMIT, child.wait()).await.expect("it does not end").unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn dropped_lines_are_counted_and_told_of_once_the_pipe_is_read() {
    let served = serve().await;
    let address = free_address().await;
    let mut program = program(&served);
    program.env("ENFORCER_ADMIN__LISTEN", address.to_string()).env("RUST_LOG", "trace");
    let mut child = program.spawn().unwrap();
    let dropping = timeout(2 * TIME_LIMIT, async {
        loop {
            (0..50).for_each(|_| drop(served.aws.launch(Launch::default())));
            served.aws.until("all are settled", |aws| aws.depth() == 0).await;
            let (_, metrics) = ask(address, "/metrics").await;
            let count = metrics.lines().find(|line| line.starts_with("enforcer_log_lines"));
            if count.is_some_and(|line| !line.ends_with(" 0")) {
                return;
            }
        }
    });
    dropping.await.expect("no line is dropped");
    let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = timeout(TIME_LIMIT, async {
        loop {
            let line: Value =
                serde_json::from_str(&log.next_line().await.unwrap().unwrap()).unwrap();
            if line["message"] == "lines of the log were dropped: the output was blocked" {
                return line["lines"].as_u64().unwrap();
            }
        }
    });
    assert!(told.await.expect("it does not tell of them") > 0);
    drop(log);
    terminate(&child);
    child.wait().await.unwrap();
}

/// Runs the program, with a socket for stdout that `JOURNAL_STREAM` names if `named`, until it
/// fails, and returns its last line.
async fn last_line(named: bool) -> String {
    let served = serve().await;
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let metadata = File::from(theirs.try_clone().unwrap()).metadata().unwrap();
    let inode = if named { metadata.ino() } else { metadata.ino() + 1 };
    let mut program = program(&served);
    program
        .env("JOURNAL_STREAM", format!("{}:{inode}", metadata.dev()))
        .env("EXCEPTION_TAG", "aws:tag")
        .stdout(Stdio::from(theirs));
    assert_eq!(program.status().await.unwrap().code(), Some(78));
    drop(program);
    ours.set_nonblocking(true).unwrap();
    let mut text = String::new();
    let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
    ours.read_to_string(&mut text).await.unwrap();
    text.lines().last().unwrap().to_owned()
}

#[tokio::test]
async fn a_line_in_the_journal_begins_with_its_priority() {
    let line = last_line(true).await;
    assert!(line.starts_with("<3>{") && line.contains("\"ERROR\""), "{line}");
}

#[tokio::test]
async fn a_line_elsewhere_is_json_alone() {
    let line = last_line(false).await;
    assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
}
