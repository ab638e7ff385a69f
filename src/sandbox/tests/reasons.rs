//! Why an instance is in its state, as DescribeInstances tells.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, advance};

use super::{World, world_with};
use crate::sandbox::{Fault, Launch, Options, Reason, Rule, State};

const HOUR: Duration = Duration::from_hours(1);

/// A world that begins on 2026-11-26 at 03:08:39.
fn world() -> World {
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_662_519);
    world_with(Options { began: Some(began), ..Options::default() })
}

/// The text of `StateTransitionReason`, and the code of `StateReason`.
async fn reasons(world: &World, id: &str) -> (String, Option<String>) {
    let instance = world.described(id).await;
    let text = instance.state_transition_reason().unwrap_or_default().to_owned();
    let code = instance.state_reason().and_then(|reason| reason.code());
    (text, code.map(str::to_owned))
}

fn by_user(at: &str) -> (String, Option<String>) {
    (format!("User initiated ({at})"), Some("Client.UserInitiatedShutdown".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_stop_by_anybody_has_the_time_of_its_call() {
    let world = world();
    let [ours, theirs] = [0; 2].map(|_| world.sandbox.launch(Launch::default()));
    world.stop(&[&ours]).await.unwrap();
    world.sandbox.stop_at(&theirs, Instant::now() + HOUR);
    assert_eq!(reasons(&world, &theirs).await, (String::new(), None));
    advance(HOUR * 2).await;
    assert_eq!(reasons(&world, &ours).await, by_user("2026-11-26 03:08:39 GMT"));
    assert_eq!(reasons(&world, &theirs).await, by_user("2026-11-26 04:08:39 GMT"));
    assert_eq!(world.sandbox.instance(&theirs).unwrap().state, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn the_time_is_that_of_the_call_and_not_of_the_end_of_the_stop() {
    let began = SystemTime::UNIX_EPOCH;
    let options = Options { began: Some(began), stopping: HOUR, ..Options::default() };
    let world = world_with(options);
    let id = world.sandbox.launch(Launch::default());
    world.stop(&[&id]).await.unwrap();
    assert_eq!(reasons(&world, &id).await, by_user("1970-01-01 00:00:00 GMT"));
    advance(HOUR * 2).await;
    assert_eq!(reasons(&world, &id).await, by_user("1970-01-01 00:00:00 GMT"));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_runs_has_no_reason_even_after_a_stop() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    world.stop(&[&id]).await.unwrap();
    world.ec2.start_instances().instance_ids(&id).send().await.unwrap();
    assert_eq!(reasons(&world, &id).await, (String::new(), None));
    assert_eq!(world.sandbox.instance(&id).unwrap().reason, Reason::Started);
}

#[tokio::test(start_paused = true)]
async fn other_states_have_the_reasons_of_aws() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    world.sandbox.shut_down(&id);
    let code = "Client.InstanceInitiatedShutdown".to_owned();
    assert_eq!(reasons(&world, &id).await, (String::new(), Some(code)));
    world.sandbox.terminate(&id);
    assert_eq!(reasons(&world, &id).await, by_user("2026-11-26 03:08:39 GMT"));
    let id = world.sandbox.launch(Launch::default().state(State::Pending));
    assert_eq!(reasons(&world, &id).await, (String::new(), Some("pending".to_owned())));
    let id = world.sandbox.launch(Launch::default().state(State::Stopped));
    assert_eq!(reasons(&world, &id).await, by_user("2026-11-26 03:08:39 GMT"));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_lags_behind_shows_the_reason_of_before() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    advance(HOUR * 2).await;
    world.stop(&[&id]).await.unwrap();
    let lag = world.sandbox.inject(Rule::on("DescribeInstances").fault(Fault::Lag(HOUR)));
    assert_eq!(reasons(&world, &id).await, (String::new(), None));
    world.sandbox.lift(lag);
    assert_eq!(reasons(&world, &id).await, by_user("2026-11-26 05:08:39 GMT"));
}
