//! What the built program sends to systemd: readiness, status and watchdog pings.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};
use tokio::net::{TcpListener, UnixDatagram};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::program::{Served, program, serve, terminate};

/// How long a line may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// With a ping every 100 ms, a pause of this length is no delay of a busy machine.
const NO_PING: Duration = Duration::from_secs(3);

/// A notification socket like systemd's, which is removed at the end of the test.
pub(crate) struct Systemd {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Systemd {
    pub(crate) fn new(name: &str) -> Self {
        let file = format!("enforcer-{name}-{}.socket", std::process::id());
        let path = std::env::temp_dir().join(file);
        drop(std::fs::remove_file(&path));
        Self { socket: UnixDatagram::bind(&path).unwrap(), path }
    }

    /// Starts the program with a watchdog limit of 200 ms.
    pub(crate) fn supervised(&self, served: &Served) -> Command {
        let mut program = program(served);
        program
            .env("NOTIFY_SOCKET", &self.path)
            .env("WATCHDOG_USEC", "200000")
            .stdout(Stdio::null());
        program
    }

    fn start(&self, served: &Served) -> Child {
        self.supervised(served).spawn().unwrap()
    }

    async fn hear(&self) -> String {
        let mut datagram = [0; 4096];
        let length = timeout(TIME_LIMIT, self.socket.recv(&mut datagram)).await;
        let length = length.expect("systemd hears nothing").unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    /// Reads until a line fulfils the condition, and returns all lines up to it.
    async fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let heard = timeout(TIME_LIMIT, async {
            let mut lines = Vec::new();
            while !lines.iter().any(|line: &String| wanted(line)) {
                lines.extend(self.hear().await.lines().map(str::to_owned));
            }
            lines
        });
        heard.await.unwrap_or_else(|_| panic!("systemd does not get {what}"))
    }

    /// Reads until no ping has come for 15 times the watchdog limit.
    pub(crate) async fn until_no_ping(&self) {
        let no_ping = timeout(2 * TIME_LIMIT, async {
            let mut last_ping = Instant::now();
            while let Some(left) = NO_PING.checked_sub(last_ping.elapsed()) {
                if let Ok(words) = timeout(left, self.hear()).await
                    && words.lines().any(|line| line == "WATCHDOG=1")
                {
                    last_ping = Instant::now();
                }
            }
        });
        assert!(no_ping.await.is_ok(), "the watchdog pings do not end");
    }

    pub(crate) async fn until_line(&self, line: &str) -> Vec<String> {
        self.until(line, |one| one == line).await
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

#[tokio::test]
async fn systemd_hears_ready_before_aws_answers_and_the_status_tells_the_rest() {
    let (served, systemd) = (serve().await, Systemd::new("ready"));
    served.aws.inject(Rule::on("GetQueueAttributes").fault(Fault::error(503, "Unavailable")));
    let _child = systemd.start(&served);
    let mut heard = systemd.until_line("READY=1").await;
    heard
        .extend(systemd.until_line("STATUS=starting: no contact with the queue and STS yet").await);
    served.aws.until("it is tried", |aws| aws.calls("GetQueueAttributes").len() > 1).await;
    served.aws.lift_all();
    let contact = |line: &str| line.starts_with("STATUS=running");
    heard.extend(systemd.until("the contact", contact).await);
    assert_eq!(heard.iter().filter(|line| *line == "READY=1").count(), 1);
}

#[tokio::test]
async fn systemd_hears_ready_only_when_the_admin_port_is_open() {
    let (served, systemd) = (serve().await, Systemd::new("port"));
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let _child = systemd.supervised(&served).env("ENFORCER_ADMIN__LISTEN", address).spawn();
    let works = |line: &str| line.starts_with("STATUS=running");
    let heard = systemd.until("the work", works).await;
    assert!(!heard.iter().any(|line| line == "READY=1"), "{heard:?}");
    drop(taken);
    systemd.until_line("READY=1").await;
}

#[tokio::test]
async fn systemd_never_hears_ready_of_settings_that_cannot_work() {
    let (served, systemd) = (serve().await, Systemd::new("refused"));
    let mut program = systemd.supervised(&served);
    let status = program.env("EXCEPTION_TAG", "aws:tag").status().await.unwrap();
    assert_eq!(status.code(), Some(78));
    assert!(timeout(Duration::ZERO, systemd.hear()).await.is_err());
}

#[tokio::test]
async fn systemd_gets_watchdog_pings_the_counts_and_the_drain() {
    let (served, systemd) = (serve().await, Systemd::new("watchdog"));
    (0..3).for_each(|_| drop(served.aws.launch(Launch::default())));
    let mut child = systemd.start(&served);
    let counts = "STATUS=running; messages: 0 held, 3 deleted, 0 returned, 0 rejected";
    systemd.until_line(counts).await;
    for _ in 0..3 {
        systemd.until_line("WATCHDOG=1").await;
    }
    served.aws.inject(Rule::on("StopInstances").fault(Fault::HangBefore));
    served.aws.launch(Launch::default());
    served.aws.until("it is being stopped", |aws| aws.calls("StopInstances").len() > 1).await;
    terminate(&child);
    systemd.until_line("STOPPING=1").await;
    systemd.until("the drain", |line| line.starts_with("STATUS=draining; messages: 1 held")).await;
    for _ in 0..3 {
        systemd.until_line("WATCHDOG=1").await;
    }
    terminate(&child);
    child.wait().await.unwrap();
}
