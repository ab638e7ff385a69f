//! A sweep disturbs nothing: it keeps to its part of the pace, and events come first.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Launch};
use tokio::time::Instant;

use super::{HOUR, MINUTE, SECOND, pages, sweeping, unheard};
use crate::world::{TAG, World, pass};

/// How long after its launch each instance was stopped, sorted.
fn until_stopped(world: &World, launched: &[(String, Instant)]) -> Vec<Duration> {
    let stops = world.aws.calls("StopInstances");
    let stop = |id: &String| stops.iter().find(|call| call.stopped.contains(id)).unwrap().at;
    let mut times: Vec<_> = launched.iter().map(|(id, at)| stop(id) - *at).collect();
    times.sort();
    times
}

/// The times until violators were stopped that started one after the other for 20 minutes, in an
/// account with 20,000 running instances, with these settings.
async fn times_beside(world: World) -> Vec<Duration> {
    let world = world.with_usual_latencies();
    (0..20_000).for_each(|_| drop(world.aws.launch(Launch::default().tagged(TAG, "").quiet())));
    (0..600).for_each(|_| drop(unheard(&world)));
    pass(HOUR).await;
    let world = world.started();
    let mut launched = Vec::new();
    for _ in 0..1200 {
        launched.push((world.violator(), Instant::now()));
        pass(SECOND).await;
    }
    pass(MINUTE).await;
    assert_eq!(pages(&world) > 0, world.settings().sweep.is_on());
    until_stopped(&world, &launched)
}

#[tokio::test(start_paused = true)]
async fn events_are_as_fast_beside_a_sweep_of_20_000_instances_as_without() {
    let p99 = |times: &[Duration]| times[times.len() * 99 / 100];
    let without = times_beside(World::new()).await;
    let beside = times_beside(sweeping("15m").set("ENFORCER_SIZES__POLLERS", "8")).await;
    let ratio = p99(&beside).as_secs_f64() / p99(&without).as_secs_f64();
    eprintln!("p99 {:?} beside a sweep, {:?} without: {ratio:.3}", p99(&beside), p99(&without));
    assert!(ratio <= 1.1, "{ratio}");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_keeps_to_a_quarter_of_the_pace() {
    let world = sweeping("15m").with_usual_latencies();
    (0..200).for_each(|_| drop(unheard(&world)));
    pass(HOUR).await;
    let world = world.started();
    pass(HOUR).await;
    assert_eq!(world.texts().len(), 200);
    let calls = world.ec2_calls();
    let looks: Vec<_> =
        calls.iter().filter(|call| call.operation.starts_with("Describe")).collect();
    // A burst of a quarter of the bucket, and then five a second.
    for from in &looks {
        let within = |call: &&&Call| call.at >= from.at && call.at < from.at + 60 * SECOND;
        let count = looks.iter().filter(within).count();
        assert!(count <= 25 + 300, "{count} looks within a minute");
    }
}

#[tokio::test(start_paused = true)]
async fn one_instance_is_worked_on_at_a_time() {
    let world = sweeping("15m").with_usual_latencies();
    (0..40).for_each(|_| drop(unheard(&world)));
    pass(HOUR).await;
    let world = world.started();
    pass(30 * MINUTE).await;
    assert_eq!(world.texts().len(), 40);
    assert!(world.aws.calls("StopInstances").iter().all(|call| call.subjects.len() == 1));
}
