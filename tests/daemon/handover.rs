//! The admin port passes from a daemon that drains to its successor.

use std::process::Stdio;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Sandbox};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::program::{
    READY, ask, free_address, lines, program, serve, terminate, until_answers, warnings,
};
use crate::world::{World, pass};

const LISTEN: &str = "ENFORCER_ADMIN__LISTEN";
/// The longest time that a drain may take, with its last round.
const LONGEST_DRAIN: Duration = Duration::from_secs(110 + 3);

/// A listener on a port, and a world whose daemon is to listen on the same port.
async fn taken() -> (TcpListener, World) {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new().set(LISTEN, &port.local_addr().unwrap().to_string());
    (port, world)
}

#[tokio::test(start_paused = true)]
async fn a_successor_works_while_the_port_is_taken_and_answers_on_it_afterwards() {
    let (port, mut world) = taken().await;
    let address = port.local_addr().unwrap();
    let id = world.violator();
    world.start_with_port();
    world.all_settled().await;
    assert!(!world.is_running(&id));
    // It tries the port again until the longest drain would have ended.
    pass(LONGEST_DRAIN).await;
    drop(port);
    pass(Duration::from_secs(2)).await;
    assert_eq!(ask(address, "/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(ask(address, "/readyz").await, (200, READY.to_owned()));
    world.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_daemon_that_stays_fails_and_hands_back_what_it_holds() {
    let (port, mut world) = taken().await;
    world.aws.inject(Rule::on("StopInstances").fault(Fault::HangBefore));
    let id = world.violator();
    let began = Instant::now();
    world.start_with_port();
    let Err(error) = world.end().await else { panic!("it ends well") };
    let took = began.elapsed();
    assert!((LONGEST_DRAIN..2 * LONGEST_DRAIN).contains(&took), "{took:?}");
    let message = format!(
        "cannot listen on admin.listen = {}; give another address, or off: \
         Address already in use (os error 98)",
        port.local_addr().unwrap()
    );
    assert_eq!(chain(error), message);
    let left = world.aws.messages();
    assert!(left.len() == 1 && !left[0].is_held(), "{left:?}");
    assert!(world.is_running(&id));
}

#[tokio::test(start_paused = true)]
async fn a_drain_while_the_port_is_taken_just_ends() {
    let (_port, mut world) = taken().await;
    world.violator();
    world.start_with_port();
    world.all_settled().await;
    let began = Instant::now();
    assert!(world.drain().await.complete());
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_outlasts_the_wait_for_the_port_ends_well_too() {
    let (_port, mut world) = taken().await;
    world = world.set("ENFORCER_DRAIN__TIMEOUT_SECS", "110");
    world.aws.inject(Rule::on("StopInstances").fault(Fault::HangBefore));
    world.violator();
    world.start_with_port();
    pass(Duration::from_secs(100)).await;
    assert!(world.drain().await.complete());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_cannot_work_is_refused_at_once() {
    // No machine has this address: it is for documentation alone (RFC 5737).
    let mut world = World::new().set(LISTEN, "192.0.2.1:9464");
    let began = Instant::now();
    world.start_with_port();
    let Err(error) = world.end().await else { panic!("it ends well") };
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(
        chain(error),
        "cannot listen on admin.listen = 192.0.2.1:9464; give another address, or off: \
         Cannot assign requested address (os error 99)"
    );
    assert!(world.aws.ledger().is_empty());
}

/// Writes an error as the last line of the log has it.
fn chain(error: ec2_policy_enforcer::daemon::Error) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

#[tokio::test]
async fn the_program_takes_the_port_over_from_one_that_drains() {
    let served = serve().await;
    served.aws.inject(Rule::on("StopInstances").fault(Fault::HangBefore).times(1));
    let address = free_address().await;
    let program = || {
        let mut program = program(&served);
        program.env(LISTEN, address.to_string()).env("ENFORCER_DRAIN__TIMEOUT_SECS", "110");
        program
    };
    let mut first = program().stdout(Stdio::null()).spawn().unwrap();
    served.aws.launch(Launch::default());
    served.aws.until("it is being stopped", |aws| !aws.calls("StopInstances").is_empty()).await;
    terminate(&first);
    until_answers(address, "/readyz", (503, "draining\n")).await;
    let contacts = served.aws.calls("GetQueueAttributes").len();
    let second = program().spawn().unwrap();
    let starts = |aws: &Sandbox| aws.calls("GetQueueAttributes").len() > contacts;
    served.aws.until("the second starts", starts).await;
    assert_eq!(ask(address, "/readyz").await, (503, "draining\n".to_owned()));
    terminate(&first);
    first.wait().await.unwrap();
    until_answers(address, "/readyz", (200, READY)).await;
    served.aws.until("the second announces it", |aws| !aws.notices().is_empty()).await;
    terminate(&second);
    let output = second.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let warned = warnings(&lines(&output));
    let wait = format!(
        "admin.listen = {address} is taken, perhaps by a daemon that is draining; \
         trying again for 120 s"
    );
    assert_eq!(warned, [wait]);
}
