//! The roles under deploy/iam allow exactly the actions that the daemon and the preflight call.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2_policy_enforcer::commands::check;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Service, State};
use serde_json::Value;

use crate::world::{TAG, World, pass};

/// One of the lists of deploy/iam/actions.json.
fn listed(role: &str) -> BTreeSet<String> {
    let lists: Value = serde_json::from_str(include_str!("../../deploy/iam/actions.json")).unwrap();
    let actions = lists[role].as_array().unwrap().iter();
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// The IAM actions of all calls so far. A batch needs the permission of its single call, and
/// `GetCallerIdentity` needs none.
fn called(world: &World) -> BTreeSet<String> {
    let calls = world.aws.ledger().into_iter().filter(|call| call.service != Service::Sts);
    let action = |operation: &str| operation.trim_end_matches("Batch").to_owned();
    calls.map(|call| format!("{}:{}", call.service, action(&call.operation))).collect()
}

fn by_name() -> World {
    let world = World::new();
    let name = world.resources.queue_name.clone();
    world.set("SQS_QUEUE_URL", &name)
}

/// Runs the daemon through every outcome, a transient failure, and a drain.
async fn run() -> World {
    let mut world = by_name();
    world.violator();
    world.exempt();
    world.reported(Launch::default().stop_protected());
    world.reported(Launch::default().managed());
    world.reported(Launch::default().state(State::Terminated));
    world.reported(Launch::default().state(State::Stopped));
    let pending = world.reported(Launch::default().state(State::Pending));
    world.aws.send("not JSON");
    world.aws.inject(Rule::on("StopInstances").fault(Fault::CutAfter).times(1));
    world.start();
    world.aws.until("the notices are there", |aws| aws.notices().len() == 4).await;
    world.aws.tag(&pending, TAG, "");
    pass(Duration::from_secs(30)).await;
    world.drain().await;
    world
}

/// Runs the daemon until its budget is used up, and holds stops by a tag of the queue.
async fn hold() -> World {
    let mut world = World::new().set("ENFORCER_BUDGET__STOPS", "1");
    world.violator();
    world.violator();
    world.start();
    world.aws.until("stops are held", |aws| !aws.calls("TagQueue").is_empty()).await;
    world.drain().await;
    world
}

#[tokio::test(start_paused = true)]
async fn the_daemon_calls_what_its_role_allows_and_nothing_else() {
    let called: BTreeSet<_> = called(&run().await).union(&called(&hold().await)).cloned().collect();
    assert_eq!(called, listed("daemon"));
}

#[tokio::test(start_paused = true)]
async fn the_preflight_calls_what_is_listed_for_it_and_otherwise_what_the_daemon_calls() {
    let world = by_name();
    world.violator();
    check::inspect(&world.settings(), &world.aws.sdk_config(), None, |_| {}).await;
    let (called, own) = (called(&world), listed("preflight"));
    let both: BTreeSet<_> = own.union(&listed("daemon")).cloned().collect();
    assert!(called.is_superset(&own), "never called: {:?}", own.difference(&called));
    assert!(called.is_subset(&both), "not allowed: {:?}", called.difference(&both));
    // Listed for the preflight too, because it reads the dead-letter queue besides the queue.
    assert_eq!(world.calls("GetQueueAttributes"), 2);
}
