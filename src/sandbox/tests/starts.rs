//! `StartInstances`, and the tags that are set before it.

use std::time::{Duration, SystemTime};

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{InstanceStateChange, Tag};
use tokio::time::advance;

use super::{World, world, world_with};
use crate::sandbox::{Fault, Launch, Options, Rule, State};

/// An instance in a state, that sends no events.
fn launched(world: &World, state: State) -> String {
    world.sandbox.launch(Launch::default().state(state))
}

fn limited() -> World {
    world_with(Options { token_buckets: true, ..Options::default() })
}

/// The states of an instance before and after.
fn states(change: &InstanceStateChange) -> [&str; 2] {
    [change.previous_state(), change.current_state()]
        .map(|state| state.unwrap().name().unwrap().as_str())
}

impl World {
    async fn start<T: AsRef<str>>(&self, ids: &[T]) -> Result<Vec<InstanceStateChange>, String> {
        let ids = ids.iter().map(|id| id.as_ref().to_owned()).collect();
        match self.ec2.start_instances().set_instance_ids(Some(ids)).send().await {
            Ok(answer) => Ok(answer.starting_instances().to_vec()),
            Err(error) => Err(error.code().unwrap_or("no code").to_owned()),
        }
    }

    async fn create_tags(&self, ids: &[String], tags: &[(&str, &str)]) -> Result<(), String> {
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build());
        let call = self.ec2.create_tags().set_resources(Some(ids.to_vec()));
        let answer = call.set_tags(Some(tags.collect())).send().await;
        answer.map(drop).map_err(|error| error.code().unwrap_or("no code").to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_tells_the_states_renews_the_launch_time_and_sends_an_event() {
    let world = world();
    let stopped = world.sandbox.launch(Launch::default());
    let running = launched(&world, State::Running);
    world.stop(&[&stopped]).await.unwrap();
    advance(Duration::from_hours(1)).await;
    let before = world.sandbox.messages().len();
    let changes = world.start(&[&stopped, &running]).await.unwrap();
    assert_eq!(states(&changes[0]), ["stopped", "pending"]);
    assert_eq!(states(&changes[1]), ["running", "running"]);
    let messages = world.sandbox.messages();
    assert_eq!(messages.len(), before + 1);
    assert!(messages[before].body.contains(&stopped));
    let launch_time = *world.described(&stopped).await.launch_time().unwrap();
    let now = world.sandbox.clock().wall(tokio::time::Instant::now());
    let age = now.duration_since(SystemTime::try_from(launch_time).unwrap()).unwrap();
    assert!(age < Duration::from_secs(1), "{age:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_is_all_or_nothing() {
    let world = world();
    let good = launched(&world, State::Stopped);
    for (state, code) in [
        (State::Stopping, "IncorrectInstanceState"),
        (State::ShuttingDown, "IncorrectInstanceState"),
        (State::Terminated, "IncorrectInstanceState"),
    ] {
        let bad = launched(&world, state);
        assert_eq!(world.start(&[&good, &bad]).await, Err(code.to_owned()));
    }
    let unknown = "i-0123456789abcdef0".to_owned();
    let refused = Err("InvalidInstanceID.NotFound".to_owned());
    assert_eq!(world.start(&[&good, &unknown]).await, refused);
    assert_eq!(world.sandbox.instance(&good).unwrap().state, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn aws_can_lack_the_capacity_for_one_instance() {
    let world = world();
    let [small, huge] = [0; 2].map(|_| launched(&world, State::Stopped));
    let none_left = Fault::error(500, "InsufficientInstanceCapacity");
    world.sandbox.inject(Rule::on("StartInstances").naming(&huge).fault(none_left));
    let refused = Err("InsufficientInstanceCapacity".to_owned());
    assert_eq!(world.start(&[&small, &huge]).await, refused);
    assert_eq!(world.start(&[&small]).await.unwrap().len(), 1);
    assert_eq!(world.sandbox.instance(&huge).unwrap().state, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn ec2_takes_five_starts_at_once_and_two_a_second() {
    let world = limited();
    let id = launched(&world, State::Running);
    for _ in 0..5 {
        world.start(&[&id]).await.unwrap();
    }
    let refused = Err("RequestLimitExceeded".to_owned());
    assert_eq!(world.start(&[&id]).await, refused);
    advance(Duration::from_millis(500)).await;
    world.start(&[&id]).await.unwrap();
    assert_eq!(world.start(&[&id]).await, refused);
}

#[tokio::test(start_paused = true)]
async fn ec2_starts_a_thousand_instances_at_once_and_two_a_second() {
    let world = limited();
    let ids: Vec<_> = (0..1000).map(|_| launched(&world, State::Stopped)).collect();
    assert_eq!(world.start(&ids).await.unwrap().len(), 1000);
    let refused = Err("RequestLimitExceeded".to_owned());
    assert_eq!(world.start(&ids[..1]).await, refused);
    advance(Duration::from_secs(1)).await;
    assert_eq!(world.start(&ids[..3]).await, refused);
    assert_eq!(world.start(&ids[..2]).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_tags_a_thousand_resources_at_most() {
    let world = world();
    let ids: Vec<_> = (0..1001).map(|_| launched(&world, State::Stopped)).collect();
    world.create_tags(&ids[1..], &[("KEEP", "until=2026-12-31")]).await.unwrap();
    assert_eq!(world.sandbox.instance(&ids[1000]).unwrap().tags["KEEP"], "until=2026-12-31");
    let refused = Err("ResourceCountExceeded".to_owned());
    assert_eq!(world.create_tags(&ids, &[("KEEP", "")]).await, refused);
}

#[tokio::test(start_paused = true)]
async fn an_instance_has_fifty_tags_at_most_beside_those_of_aws() {
    let world = world();
    let launch = Launch::default().auto_scaling_group("web");
    let full = (0..50).fold(launch, |launch, number| launch.tagged(format!("key-{number}"), ""));
    let ids = [launched(&world, State::Running), world.sandbox.launch(full)];
    let refused = Err("TagLimitExceeded".to_owned());
    assert_eq!(world.create_tags(&ids, &[("KEEP", "")]).await, refused);
    assert!(world.sandbox.instance(&ids[0]).unwrap().tags.is_empty());
    world.create_tags(&ids, &[("key-7", "another value")]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tags_that_ec2_does_not_accept_are_refused() {
    let world = world();
    let ids = [launched(&world, State::Running)];
    let (key, value) = ("x".repeat(129), "x".repeat(257));
    for bad in [("aws:x", ""), ("", ""), (key.as_str(), ""), ("key", value.as_str())] {
        let refused = Err("InvalidParameterValue".to_owned());
        assert_eq!(world.create_tags(&ids, &[bad]).await, refused, "{bad:?}");
    }
    let refused = Err("InvalidID".to_owned());
    assert_eq!(world.create_tags(&["i-*".to_owned()], &[("key", "")]).await, refused);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_without_keys_deletes_all_tags_but_those_of_aws() {
    let world = world();
    let launch = Launch::default().auto_scaling_group("web").tagged("Name", "x");
    let id = world.sandbox.launch(launch.tagged("Stage", ""));
    world.ec2.delete_tags().resources(&id).send().await.unwrap();
    let kept: Vec<_> = world.sandbox.instance(&id).unwrap().tags.into_keys().collect();
    assert_eq!(kept, ["aws:autoscaling:groupName"]);
}

#[tokio::test(start_paused = true)]
async fn ec2_takes_a_hundred_calls_that_tag_at_once_and_ten_a_second() {
    let world = limited();
    let ids = [launched(&world, State::Running)];
    for _ in 0..100 {
        world.create_tags(&ids, &[("key", "")]).await.unwrap();
    }
    let refused = Err("RequestLimitExceeded".to_owned());
    assert_eq!(world.create_tags(&ids, &[("key", "")]).await, refused);
    advance(Duration::from_millis(100)).await;
    world.create_tags(&ids, &[("key", "")]).await.unwrap();
}
