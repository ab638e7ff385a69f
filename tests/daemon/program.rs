//! Starts the built program against a sandbox on a loopback port, for the tests of the binary.

use std::io;
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Options, Resources, Sandbox};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_ec2-policy-enforcer");
/// What `/readyz` says when all is well, with a topic that nobody is subscribed to.
pub(crate) const READY: &str = "ready\nwarning: nobody hears of stops: the topic has no confirmed subscription; subscribe the owners\n";
/// The time limit for what the program should do at once.
const TIME_LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Served {
    pub aws: Sandbox,
    pub resources: Resources,
    /// The URL of the sandbox.
    pub origin: String,
    stop: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn serve() -> Served {
    let aws = Sandbox::new(Options::default());
    let resources = aws.set_up();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn({
        let (aws, stop) = (aws.clone(), stop.clone());
        async move { aws.serve(listener, stop).await }
    });
    Served { aws, resources, origin, stop }
}

/// The `run` subcommand, with nothing in its environment but what it needs.
pub(crate) fn program(served: &Served) -> Command {
    call(served, "run")
}

/// A subcommand, with nothing in its environment but what it needs.
pub(crate) fn call(served: &Served, subcommand: &str) -> Command {
    let Served { resources, origin, .. } = served;
    let mut program = Command::new(BINARY);
    program
        .arg(subcommand)
        .env_clear()
        .env("AWS_ENDPOINT_URL", origin)
        .env("AWS_REGION", &resources.region)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("ENFORCER_ADMIN__LISTEN", "off")
        // A drain lasts for as long as a poll.
        .env("ENFORCER_QUEUE__WAIT_SECS", "1")
        .env("SQS_QUEUE_URL", resources.queue_url_at(origin))
        .env("SNS_TOPIC_ARN", &resources.topic_arn)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    program
}

pub(crate) fn terminate(child: &Child) {
    signal(child, "TERM");
}

pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let status = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status();
    assert!(status.unwrap().success());
}

pub(crate) fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The warnings among lines of the log, but the one of a topic that nobody is subscribed to.
pub(crate) fn warnings(lines: &[Value]) -> Vec<String> {
    let warned = lines.iter().filter(|line| line["level"] == "WARN");
    let warned = warned.filter_map(|line| line["message"].as_str().map(str::to_owned));
    warned.filter(|message| !message.starts_with("nobody hears of stops")).collect()
}

/// A loopback address with a free port.
pub(crate) async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Sends a GET request to the admin port, which may not be open yet. It closes a connection that is
/// silent for 3 s, which may pass at once on a paused clock: then the request is sent again.
pub(crate) async fn ask(address: SocketAddr, path: &str) -> (u16, String) {
    let patiently = tokio::time::timeout(TIME_LIMIT, async {
        loop {
            match get(address, path).await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    patiently.await.unwrap_or_else(|_| panic!("nothing listens on {address}"))
}

async fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

/// Waits until the admin port gives this answer.
pub(crate) async fn until_answers(address: SocketAddr, path: &str, wanted: (u16, &str)) {
    let mut last = (0, String::new());
    let asked = tokio::time::timeout(TIME_LIMIT, async {
        while (last.0, last.1.as_str()) != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
            last = ask(address, path).await;
        }
    });
    let in_time = asked.await.is_ok();
    assert!(in_time, "{path} should answer {wanted:?}, not {last:?}");
}
