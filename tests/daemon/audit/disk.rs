//! The built program with a disk that is full, that hangs, or whose file is renamed.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command as Now, Stdio};
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Launch, Message, Sandbox};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::{Trail, read};
use crate::program::{
    BINARY, READY, Served, ask, free_address, program, serve, signal, terminate, until_answers,
};
use crate::scrape::Scrape;

/// In seconds; shorter than a write may hang before the daemon says so.
const VISIBILITY: &str = "8";
const LIMIT: Duration = Duration::from_mins(1);

/// The built program against a sandbox, with an audit trail.
struct Audited {
    served: Served,
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

/// The program with a trail in this file and its log in this folder; started by a script of the
/// shell, which gets the path of the program, if there is one.
async fn start(path: &Path, logs: &Path, script: Option<&str>) -> Audited {
    let (served, address) = (serve().await, free_address().await);
    let log = logs.join("log");
    let mut program = program(&served);
    if let Some(script) = script {
        let plain = program;
        program = Command::new("sh");
        program.args(["-c", script, "sh", BINARY]).env_clear().kill_on_drop(true);
        let given = plain.as_std().get_envs();
        program.envs(given.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))));
        program.env("PATH", std::env::var_os("PATH").unwrap());
    }
    let child = program
        .env("ENFORCER_AUDIT__TO", path)
        .env("ENFORCER_ADMIN__LISTEN", address.to_string())
        .env("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", VISIBILITY)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    Audited { served, child, address, log }
}

impl Audited {
    fn aws(&self) -> &Sandbox {
        &self.served.aws
    }

    fn launch(&self, count: usize) {
        (0..count).for_each(|_| drop(self.aws().launch(Launch::default())));
    }

    /// Waits until `/readyz` is red with this reason.
    async fn until_unready(&self, reason: &str) -> String {
        let red = timeout(LIMIT, async {
            loop {
                let (status, body) = ask(self.address, "/readyz").await;
                if status == 503 && body.contains(reason) {
                    return body;
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        red.await.unwrap_or_else(|_| panic!("/readyz should say: {reason}"))
    }

    async fn failures(&self) -> usize {
        let (_, text) = ask(self.address, "/metrics").await;
        Scrape::read(&text).sum("enforcer_audit_write_failures_total", &[])
    }

    /// Drains it. Returns its log.
    async fn end(mut self) -> String {
        terminate(&self.child);
        let status = timeout(LIMIT, self.child.wait()).await.expect("it does not end").unwrap();
        assert!(status.success(), "{status}");
        fs::read_to_string(self.log).unwrap()
    }
}

/// All messages are held: none is deleted, and none received twice.
fn all_held(aws: &Sandbox, count: usize) -> bool {
    let messages = aws.messages();
    messages.len() == count && messages.iter().all(Message::is_held)
}

/// Whether each message that is left was renewed.
fn renewed(aws: &Sandbox) -> bool {
    let calls = aws.calls("ChangeMessageVisibilityBatch").into_iter();
    let renewals = calls.flat_map(|call| call.timeouts);
    let visibility: i64 = VISIBILITY.parse().unwrap();
    let renewed: BTreeSet<_> =
        renewals.filter(|(_, secs)| *secs == visibility).map(|(id, _)| id).collect();
    aws.messages().iter().all(|message| renewed.contains(&message.id))
}

#[tokio::test]
async fn a_full_disk_pauses_settling_and_stops_says_so_and_hands_back_in_the_drain() {
    let (trail, logs) = (Trail::new(), Trail::new());
    let link = trail.0.join("link");
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let audited = start(&link, &logs.0, None).await;
    audited.launch(20);
    let reason = format!("audit: cannot write {}: No space left on device", link.to_str().unwrap());
    let body = audited.until_unready(&reason).await;
    assert!(!body.starts_with("ready"), "{body}");
    // What would be stopped now could not be undone.
    let late: Vec<_> = (0..5).map(|_| audited.aws().launch(Launch::default())).collect();
    // Longer than the visibility timeout: the leases are renewed.
    sleep(Duration::from_secs(10)).await;
    assert!(all_held(audited.aws(), 25) && renewed(audited.aws()));
    let stopped = audited.aws().calls("StopInstances").into_iter().flat_map(|call| call.stopped);
    let stopped: Vec<_> = stopped.collect();
    assert!(!stopped.is_empty() && !stopped.iter().any(|id| late.contains(id)), "{stopped:?}");
    assert_eq!(audited.aws().calls("DeleteMessageBatch").len(), 0);
    assert!(audited.failures().await >= 2);
    let aws = audited.aws().clone();
    let log = audited.end().await;
    let error = log.lines().find(|line| line.contains("\"ERROR\"")).unwrap();
    assert!(error.contains("cannot write the audit trail") && error.contains("free space"));
    assert!(log.contains("undo does not know these stops"), "{log}");
    assert!(log.contains("\"deleted\":0,\"handed_back\":25"), "{}", log.lines().last().unwrap());
    assert!(aws.messages().len() == 25 && !aws.messages().iter().any(Message::is_held));
}

#[tokio::test]
async fn another_file_ends_the_pause_at_sighup() {
    let (trail, logs) = (Trail::new(), Trail::new());
    let link = trail.0.join("link");
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let audited = start(&link, &logs.0, None).await;
    audited.launch(20);
    audited.until_unready("No space left on device").await;
    fs::remove_file(&link).unwrap();
    signal(&audited.child, "HUP");
    audited.aws().until("all are deleted", |aws| aws.depth() == 0).await;
    until_answers(audited.address, "/readyz", (200, READY)).await;
    audited.end().await;
    assert_eq!(trail.of_kind("outcome").len(), 20);
}

/// A small tmpfs, most of which something else takes. Where nobody may mount one, the other tests of
/// this file must do.
#[tokio::test]
async fn a_small_file_system_that_is_full_is_written_again_when_there_is_space() {
    let trail = Trail::new();
    let small = trail.0.join("small");
    fs::create_dir(&small).unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=128k none {0} && head -c 114688 /dev/zero >{0}/other",
        small.display()
    );
    let try_out = Now::new("unshare").args(["-rm", "sh", "-c", &mount]).output();
    if !try_out.is_ok_and(|tried| tried.status.success()) {
        return;
    }
    let script = format!("exec unshare -rm sh -c '{mount} && exec \"$1\" run' sh \"$1\"");
    let audited = start(&small.join("audit.jsonl"), &trail.0, Some(&script)).await;
    audited.launch(60);
    let body = audited.until_unready("audit: cannot write").await;
    assert!(body.contains("No space left on device"), "{body}");
    assert!(audited.aws().depth() > 0);
    // As the program sees it.
    let process = audited.child.id().unwrap();
    let seen = PathBuf::from(format!("/proc/{process}/root{}", small.display()));
    // What is there are whole lines.
    assert!(read(&seen.join("audit.jsonl")).len() < 70);
    fs::remove_file(seen.join("other")).unwrap();
    audited.aws().until("all are deleted", |aws| aws.depth() == 0).await;
    until_answers(audited.address, "/readyz", (200, READY)).await;
    let lines = read(&seen.join("audit.jsonl"));
    assert_eq!(lines.iter().filter(|line| line["kind"] == "outcome").count(), 60);
    audited.end().await;
}

/// The kernel lets a file grow to 4 KiB, and writes as much of a line as fits.
#[tokio::test]
async fn no_broken_line_stays_of_a_write_that_was_cut_short() {
    let trail = Trail::new();
    let script = "trap '' XFSZ; ulimit -f 8; export ENFORCER_SIZES__STOP_BATCH=5; exec \"$1\" run";
    let logs = Trail::new();
    let audited = start(&trail.path(), &logs.0, Some(script)).await;
    audited.launch(30);
    for number in 0.. {
        let part = timeout(LIMIT, async {
            while audited.aws().depth() > 0 && !is_stuck(&audited).await {
                sleep(Duration::from_millis(20)).await;
            }
        });
        part.await.expect("it is written or stuck");
        read(&trail.path());
        if audited.aws().depth() == 0 {
            break;
        }
        fs::rename(trail.path(), trail.0.join(format!("old-{number:03}.jsonl"))).unwrap();
        signal(&audited.child, "HUP");
        until_answers(audited.address, "/livez", (200, "alive\n")).await;
        let fresh = timeout(LIMIT, async {
            while !trail.path().exists() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        fresh.await.expect("the file is made anew");
    }
    assert_eq!(trail.deleted_without_line(audited.aws()), [""; 0]);
    assert_eq!(trail.messages().len(), 30);
    assert!(fs::read_dir(&trail.0).unwrap().count() > 2);
    audited.end().await;
}

async fn is_stuck(audited: &Audited) -> bool {
    ask(audited.address, "/readyz").await.1.contains("audit: cannot write")
}

#[tokio::test]
async fn a_file_that_is_renamed_under_load_loses_no_line() {
    let (trail, logs) = (Trail::new(), Trail::new());
    let audited = start(&trail.path(), &logs.0, None).await;
    audited.aws().until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
    for number in 0..5 {
        audited.launch(40);
        let made = timeout(LIMIT, async {
            while !trail.path().exists() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        made.await.expect("the file is made anew");
        fs::rename(trail.path(), trail.0.join(format!("old-{number}.jsonl"))).unwrap();
        signal(&audited.child, "HUP");
    }
    audited.aws().until("all are deleted", |aws| aws.depth() == 0).await;
    assert_eq!(trail.deleted_without_line(audited.aws()), [""; 0]);
    assert_eq!(trail.messages().len(), 200);
    audited.end().await;
}

/// A pipe that nobody reads takes 64 KiB; then a write hangs.
#[tokio::test]
async fn a_disk_that_hangs_holds_up_neither_leases_nor_health_nor_the_end() {
    let (trail, logs) = (Trail::new(), Trail::new());
    let made = Now::new("mkfifo").arg(trail.path()).status().unwrap();
    assert!(made.success());
    let audited = start(&trail.path(), &logs.0, None).await;
    audited.launch(200);
    audited.until_unready("audit: a write to").await;
    assert_eq!(ask(audited.address, "/livez").await.0, 200);
    assert!(audited.aws().depth() > 0);
    audited.aws().until("the leases are renewed", renewed).await;
    let aws = audited.aws().clone();
    audited.end().await;
    assert!(!aws.messages().iter().any(Message::is_held), "what is left is handed back");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_ends_the_start_with_78() {
    let served = serve().await;
    let mut program = program(&served);
    program.env("ENFORCER_AUDIT__TO", "/nowhere/audit.jsonl");
    let output = timeout(LIMIT, program.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stdout).unwrap();
    let message =
        "audit.to = \\\"/nowhere/audit.jsonl\\\": cannot open it (No such file or directory";
    assert!(log.contains(message), "{log}");
}

#[tokio::test]
async fn lines_on_stdout_stand_whole_among_those_of_the_log() {
    let served = serve().await;
    (0..50).for_each(|_| drop(served.aws.launch(Launch::default())));
    let mut program = program(&served);
    let child = program.env("ENFORCER_AUDIT__TO", "stdout").spawn().unwrap();
    served.aws.until("all are deleted", |aws| aws.depth() == 0).await;
    terminate(&child);
    let output = timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
    let (schema, lines) = (super::schema::Schema::read(), crate::program::lines(&output));
    let audit: Vec<_> = lines.iter().filter(|line| line["audit"] == 1).collect();
    assert!(audit.iter().all(|line| schema.mistakes(line).is_empty()));
    assert_eq!(audit.iter().filter(|line| line["kind"] == "outcome").count(), 50);
    assert!(lines.len() > audit.len());
}
