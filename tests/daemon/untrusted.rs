//! Messages that are forged or malformed cause no call but their receives.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Launch;
use serde_json::Value;

use crate::world::{World, pass};

/// The time until a message is in the dead-letter queue: 20 receives with a visibility timeout of
/// 30 s, and one poll more.
const REDRIVEN: Duration = Duration::from_secs(21 * 30);
const RECEIVES: usize = 20;

/// Expects messages to cause no call but their receives, and to end in the dead-letter queue.
async fn left_to_redrive(write: impl Fn(&World, &str) -> Vec<String>) {
    let world = World::new().started();
    let id = world.aws.launch(Launch::default().quiet());
    let bodies = write(&world, &id);
    let messages: Vec<_> = bodies.iter().map(|body| world.aws.send(body)).collect();
    pass(REDRIVEN).await;
    assert!(world.is_running(&id));
    assert!(world.ec2_calls().is_empty());
    assert!(world.aws.notices().is_empty());
    assert_eq!(world.calls("DeleteMessageBatch"), 0);
    assert_eq!(world.calls("ChangeMessageVisibilityBatch"), 0);
    assert!(messages.iter().all(|message| world.receives_of(message) == RECEIVES));
    let dead = world.aws.dead_letters();
    assert!(messages.iter().all(|message| dead.iter().any(|one| one.id == *message)));
}

/// Writes an otherwise valid event for each of the values, with the value in one place.
fn forged(world: &World, id: &str, place: &str, values: &[Value]) -> Vec<String> {
    let forge = |value: &Value| {
        world.altered_event(id, |event| *event.pointer_mut(place).unwrap() = value.clone())
    };
    values.iter().map(forge).collect()
}

#[tokio::test(start_paused = true)]
async fn a_forged_instance_id_reaches_no_request() {
    left_to_redrive(|world, id| {
        let ids = [
            "".into(),
            "*".into(),
            "i-*".into(),
            "i-????????".into(),
            format!("{id}\r\nX-Evil: 1").into(),
            format!("{id}\n").into(),
            format!(" {id}").into(),
            format!("{id},i-0123456789abcdef0").into(),
            "i-٠١٢٣٤٥٦٧".into(),
            "i-0123456789ABCDEF0".into(),
            format!("i-{}", "0".repeat(10_000)).into(),
            Value::Null,
            17.into(),
            vec![id.to_owned()].into(),
        ];
        forged(world, id, "/detail/instance-id", &ids)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_region_reaches_no_host() {
    left_to_redrive(|world, id| {
        let regions = [
            "".into(),
            "*".into(),
            "us-east-1.evil.example/".into(),
            "us-east-1@evil.example".into(),
            "US-EAST-1".into(),
            "us-east-1\r\n".into(),
            "us-east-١".into(),
            "eu-west-1".into(),
            "a".repeat(10_000).into(),
            Value::Null,
        ];
        forged(world, id, "/region", &regions)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_account_is_left_to_redrive() {
    left_to_redrive(|world, id| {
        let accounts = ["210987654321".into(), "".into(), "*".into(), 123_456_789_012_u64.into()];
        forged(world, id, "/account", &accounts)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_event_of_an_unknown_state_is_left_to_redrive() {
    left_to_redrive(|world, id| {
        forged(world, id, "/detail/state", &["rebooting".into(), "".into(), Value::Null])
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_event_with_a_key_twice_is_left_to_redrive() {
    left_to_redrive(|world, id| {
        let event = world.aws.event(id);
        let twice = |key: &str, value: &str| {
            event.replacen(&format!("\"{key}\":"), &format!("\"{key}\":\"{value}\",\"{key}\":"), 1)
        };
        vec![
            twice("instance-id", "i-0123456789abcdef0"),
            twice("account", "123456789012"),
            twice("source", "aws.ec2"),
        ]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn garbage_is_left_to_redrive() {
    left_to_redrive(|world, id| {
        let event = world.aws.event(id);
        vec![
            "not JSON".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            format!("{event}{event}"),
            event[..event.len() - 1].to_owned(),
            "x".repeat(1024 * 1024),
        ]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn deep_nesting_is_left_to_redrive() {
    left_to_redrive(|world, id| {
        let event = world.aws.event(id);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        let inside = event.replacen('{', &format!("{{\"deep\":{deep},"), 1);
        vec![deep, objects, inside, "[".repeat(1_000_000)]
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_daemon_goes_on_working_among_garbage() {
    let world = World::new().started();
    let mut texts = Vec::new();
    for round in 0..30 {
        world.aws.send("not JSON");
        world.aws.send(&"[".repeat(1000 * round + 1));
        texts.push(format!("EC2 {} Stopped", world.violator()));
    }
    texts.sort();
    world.notices(texts.len()).await;
    pass(REDRIVEN).await;
    assert_eq!(world.texts(), texts);
    assert!(world.aws.messages().is_empty());
    assert_eq!(world.aws.dead_letters().len(), 60);
}
