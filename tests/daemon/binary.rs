//! The built program against the sandbox on a loopback port, by the real clock.

use std::process::{Output, Stdio};

use ec2_policy_enforcer::sandbox::{Launch, Options, Resources, Sandbox};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

const VIOLATORS: usize = 3;
const EXEMPT: usize = 2;

struct Served {
    aws: Sandbox,
    resources: Resources,
    origin: String,
    stop: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve() -> Served {
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

/// The program with nothing in its environment but what it needs.
fn program(served: &Served) -> Command {
    let Served { resources, origin, .. } = served;
    let mut program = Command::new(env!("CARGO_BIN_EXE_ec2-policy-enforcer"));
    program
        .arg("run")
        .env_clear()
        .env("AWS_ENDPOINT_URL", origin)
        .env("AWS_REGION", &resources.region)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("SQS_QUEUE_URL", resources.queue_url_at(origin))
        .env("SNS_TOPIC_ARN", &resources.topic_arn)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    program
}

fn terminate(child: &Child) {
    let pid = child.id().unwrap().to_string();
    let status = std::process::Command::new("kill").args(["-TERM", &pid]).status();
    assert!(status.unwrap().success());
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Lets the program settle a few instances, terminates it and says what it wrote.
async fn run() -> Output {
    let served = serve().await;
    (0..VIOLATORS).for_each(|_| drop(served.aws.launch(Launch::default())));
    let tagged = || Launch::default().tagged("SPECIAL_EXCEPTION", "");
    (0..EXEMPT).for_each(|_| drop(served.aws.launch(tagged())));
    let child = program(&served).spawn().unwrap();
    served.aws.until("every message is deleted", |aws| aws.messages().is_empty()).await;
    terminate(&child);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(served.aws.notices().len(), VIOLATORS);
    output
}

#[tokio::test]
async fn sigterm_ends_the_program_with_0_and_its_log_tells_every_decision() {
    let output = run().await;
    assert_eq!(output.status.code(), Some(0));
    let lines = lines(&output);
    let decided = |decision: &str| lines.iter().filter(|line| line["decision"] == decision).count();
    assert_eq!((decided("violation"), decided("allow")), (VIOLATORS, EXEMPT));
    let last = lines.last().unwrap();
    for count in ["deleted", "handed_back", "rejected", "backing_off"] {
        assert!(last[count].is_u64(), "{count} is missing: {last}");
    }
}

#[tokio::test]
async fn a_setting_that_cannot_work_ends_the_program_with_78_and_names_its_key() {
    let served = serve().await;
    let output = program(&served).env("EXCEPTION_TAG", "").output().await.unwrap();
    assert_eq!(output.status.code(), Some(78));
    let error = lines(&output).pop().unwrap()["error"].to_string();
    assert!(error.contains("EXCEPTION_TAG"), "{error}");
}
