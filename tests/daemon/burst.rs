//! A burst of events: how many calls it costs, and that a drain in the middle of it leaves nothing
//! held.

use ec2_policy_enforcer::sandbox::Launch;

use crate::world::World;

const EVENTS: usize = 5_000;
/// The most AWS calls per event in a burst of which half are violations.
const BUDGET: f64 = 0.30;

/// A world with the usual latencies, in which the burst is in the queue before the daemon starts.
fn burst() -> World {
    let world = World::new().with_usual_latencies();
    for number in 0..EVENTS {
        if number % 2 == 0 {
            world.exempt()
        } else {
            world.aws.launch(Launch::default())
        };
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_burst_costs_few_calls_per_event() {
    let mut world = burst().started();
    world.all_settled().await;
    world.drain().await;
    assert_eq!(world.aws.notices().len(), EVENTS / 2);
    let ledger = world.aws.ledger();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let calls = ledger.len() as f64 / EVENTS as f64;
    let mut by_operation = std::collections::BTreeMap::<_, usize>::new();
    for call in &ledger {
        *by_operation.entry(call.operation.clone()).or_default() += 1;
    }
    assert!(calls <= BUDGET, "{calls} calls per event: {by_operation:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_in_the_middle_of_a_burst_leaves_no_message_held() {
    let mut world = burst().with_usual_latencies().started();
    world.aws.until("the first are announced", |aws| !aws.notices().is_empty()).await;
    let drained = world.drain().await;
    assert!(drained.complete());
    assert!(world.aws.messages().iter().all(|message| !message.is_held()));
    assert!(!world.aws.messages().is_empty(), "the burst was over before the drain");
}
