//! What the ledger keeps of a look: the tags with their values, and the attributes, as they were
//! shown.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{advance, sleep};

use super::{World, world};
use crate::sandbox::{Fault, Launch, Rule, Shown, State};

const LAG: Duration = Duration::from_secs(10);

/// What the latest call of an operation showed of an instance.
fn shown(world: &World, operation: &str, id: &str) -> Option<Shown> {
    world.sandbox.calls(operation).pop().unwrap().shown.get(id).cloned()
}

fn tags(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn the_ledger_has_the_values_of_the_tags_of_either_look() {
    let world = world();
    let id = world.sandbox.launch(Launch::default().tagged("Name", "web").tagged("Stage", ""));
    world.ec2.describe_tags().send().await.unwrap();
    world.described(&id).await;
    let expected = tags(&[("Name", "web"), ("Stage", "")]);
    let by_tags = shown(&world, "DescribeTags", &id).unwrap();
    assert_eq!((by_tags.tags, by_tags.details), (expected.clone(), None));
    assert_eq!(shown(&world, "DescribeInstances", &id).unwrap().tags, expected);
    world.sandbox.hide_tags(&id, "DescribeTags");
    world.ec2.describe_tags().send().await.unwrap();
    assert!(shown(&world, "DescribeTags", &id).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_ledger_has_the_attributes_that_a_look_showed() {
    let world = world();
    let launch = Launch::default().key_name("k").public_address("203.0.113.7");
    let id = world.sandbox.launch(launch);
    let other = world.sandbox.launch(Launch::default());
    world.described(&id).await;
    let details = shown(&world, "DescribeInstances", &id).unwrap().details.unwrap();
    assert_eq!(details, world.sandbox.instance(&id).unwrap().details);
    assert_eq!(details.network.public_address.as_deref(), Some("203.0.113.7"));
    assert!(shown(&world, "DescribeInstances", &other).is_none());
    world.stop(&[&id]).await.unwrap();
    world.described(&id).await;
    let details = shown(&world, "DescribeInstances", &id).unwrap().details.unwrap();
    assert_eq!(details.network.public_address, None);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_lags_behind_shows_the_attributes_and_tags_of_before() {
    let world = world();
    let launch = Launch::default().launched_ago(LAG * 9).tagged("Name", "old").quiet();
    let id = world.sandbox.launch(launch.state(State::Stopped));
    let before = world.sandbox.instance(&id).unwrap().details;
    advance(LAG * 2).await;
    world.sandbox.start(&id);
    world.sandbox.tag(&id, "Name", "new");
    world.sandbox.change_details(&id, |details| details.key_name = None);
    let lag = world.sandbox.inject(Rule::on("DescribeInstances").fault(Fault::Lag(LAG)));

    let instance = world.described(&id).await;
    assert_eq!(instance.key_name(), Some("operations"));
    let seen = shown(&world, "DescribeInstances", &id).unwrap();
    assert_eq!((seen.tags, seen.details), (tags(&[("Name", "old")]), Some(before.clone())));

    sleep(LAG).await;
    assert_eq!(world.described(&id).await.key_name(), None);
    world.sandbox.lift(lag);
    let seen = shown(&world, "DescribeInstances", &id).unwrap();
    assert_eq!(seen.tags, tags(&[("Name", "new")]));
    let launched = seen.details.unwrap().launched;
    assert_eq!(launched.duration_since(before.launched).unwrap(), LAG * 11);
}
