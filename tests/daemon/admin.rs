//! The admin port and `healthcheck`: whether the daemon is ready, and whether it is alive.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Service};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::program::{
    BINARY, READY, Served, ask, free_address, lines, program, serve, terminate, until_answers,
};
use crate::world::{World, pass};

const LISTEN: &str = "ENFORCER_ADMIN__LISTEN";
const STARTING: &str = "starting: no contact with the queue and STS yet\n";

fn listening(served: &Served, address: SocketAddr) -> Command {
    let mut program = program(served);
    program.env(LISTEN, address.to_string()).stdout(Stdio::null());
    program
}

/// Runs `healthcheck`, as the container image does.
async fn healthcheck(address: &str) -> Output {
    let mut program = Command::new(BINARY);
    program
        .arg("healthcheck")
        .env_clear()
        .env(LISTEN, address)
        .env("RUST_LOG", "info=loud")
        .stdin(Stdio::null());
    program.output().await.unwrap()
}

#[tokio::test]
async fn the_port_is_open_before_the_queue_is_reached_and_until_the_drain_is_over() {
    let served = serve().await;
    served.aws.inject(Rule::on("GetQueueAttributes").fault(Fault::error(503, "Unavailable")));
    served.aws.inject(Rule::on("StopInstances").fault(Fault::HangBefore));
    let address = free_address().await;
    let mut child = listening(&served, address).spawn().unwrap();
    until_answers(address, "/readyz", (503, STARTING)).await;
    assert_eq!(ask(address, "/livez").await, (200, "alive\n".to_owned()));
    served.aws.lift_all();
    until_answers(address, "/readyz", (200, READY)).await;
    served.aws.inject(Rule::on("StopInstances").fault(Fault::HangBefore));
    served.aws.launch(Launch::default());
    served.aws.until("it is being stopped", |aws| !aws.calls("StopInstances").is_empty()).await;
    terminate(&child);
    until_answers(address, "/readyz", (503, "draining\n")).await;
    assert_eq!(ask(address, "/livez").await.0, 200);
    terminate(&child);
    child.wait().await.unwrap();
}

#[tokio::test]
async fn healthcheck_ends_with_0_and_silently_while_the_daemon_is_alive() {
    let served = serve().await;
    let address = free_address().await;
    let _child = listening(&served, address).spawn().unwrap();
    until_answers(address, "/livez", (200, "alive\n")).await;
    let output = healthcheck(&format!("0.0.0.0:{}", address.port())).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn healthcheck_ends_with_1_and_says_why_in_the_log_alone() {
    // No other test listens on this address, so that none can take a port that was free a moment ago.
    for address in ["127.0.0.9:9464", "off", "nowhere"] {
        let output = healthcheck(address).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        let error = lines(&output).pop().unwrap()["error"].to_string();
        assert!(error.contains(address), "{error}");
    }
}

#[tokio::test]
async fn healthcheck_does_not_wait_for_a_daemon_that_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let output = healthcheck(&silent.local_addr().unwrap().to_string()).await;
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn an_address_that_cannot_work_ends_the_program_with_1_and_is_named() {
    let served = serve().await;
    // No machine has this address: it is for documentation alone (RFC 5737).
    let address = "192.0.2.1:9464";
    let output = program(&served).env(LISTEN, address).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = lines(&output).pop().unwrap()["error"].to_string();
    assert!(error.contains(&format!("admin.listen = {address}; give another")), "{error}");
    assert!(served.aws.ledger().is_empty());
}

/// Injects a lasting fault, and returns why the daemon is not ready.
async fn troubles_with(fault: Rule) -> Vec<String> {
    let mut world = World::new();
    world.aws.inject(fault);
    world.violator();
    world.start();
    pass(Duration::from_mins(2)).await;
    let troubles = world.health.troubles();
    world.aws.lift_all();
    world.all_settled().await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.health.troubles(), [""; 0]);
    world.drain().await;
    assert_eq!(world.health.troubles(), ["draining"]);
    troubles
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_pauses_says_which_operation_and_why() {
    let expired = Fault::error(403, "ExpiredTokenException");
    let [trouble] = &troubles_with(Rule::on_service(Service::Sns).fault(expired)).await[..] else {
        panic!("one pause");
    };
    assert!(trouble.starts_with("paused for "), "{trouble}");
    let rest = "s: PublishBatch: credentials refused (ExpiredTokenException)";
    assert!(trouble.ends_with(rest), "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_ec2_says_in_which_region() {
    let [trouble] = &troubles_with(Rule::on("DescribeTags")).await[..] else {
        panic!("one pause");
    };
    assert!(
        trouble.contains("s: DescribeTags in 123456789012/us-east-1: keeps failing ("),
        "{trouble}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_daemon_whose_stops_are_denied_is_not_ready_from_the_first_to_the_last() {
    let mut world = World::new();
    let denied = Fault::error(403, "UnauthorizedOperation");
    world.aws.inject(Rule::on("StopInstances").fault(denied));
    world.aws.latency("DescribeInstances", Duration::from_millis(300));
    world.violator();
    world.start();
    world.aws.until("it is tried", |aws| aws.calls("StopInstances").len() > 1).await;
    let denied =
        "paused: StopInstances in 123456789012/us-east-1: access denied; grant ec2:StopInstances";
    for _ in 0..200 {
        assert_eq!(world.health.troubles(), [denied]);
        pass(Duration::from_millis(100)).await;
    }
    world.aws.lift_all();
    world.all_settled().await;
    assert_eq!(world.health.troubles(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_without_work_does_not_look_dead() {
    let mut world = World::new().started();
    for _ in 0..360 {
        pass(Duration::from_secs(10)).await;
        assert_eq!(world.health.stuck(), None);
    }
    world.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_make_the_daemon_look_dead() {
    let mut world = World::new();
    world.aws.inject(Rule::on("*").fault(Fault::HangBefore).after(20));
    (0..5).for_each(|_| drop(world.violator()));
    world.start();
    for _ in 0..360 {
        pass(Duration::from_secs(10)).await;
        assert_eq!(world.health.stuck(), None);
    }
    world.terminate_now();
    world.drain().await;
}
