//! How long it takes to stop violators while another account is broken: hardly longer than beside
//! one that is well.

use std::collections::HashMap;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Service};
use tokio::time::Instant;

use crate::measured::percentiles::Spread;
use crate::world::{World, pass};

/// The account that is broken, and the first one of those that are well.
const BROKEN: u64 = 400_000_000_000;
const FIRST_WELL: u64 = BROKEN + 1;
/// So many accounts are well, with one region each.
const WELL: u64 = 49;
/// In each round 50 instances start in the broken account at once, and then one in every account that is
/// well. Rounds fill an hour. In the first one roles are assumed, which takes so long that a delay by
/// the broken account could hide behind it: it does not count.
const ROUNDS: usize = 12;
const STARTS_IN_BROKEN: usize = 50;
const ROUND: Duration = Duration::from_mins(5);
const BETWEEN_STARTS: Duration = Duration::from_millis(10);
/// How many times as long the 99th percentile may be beside a broken account.
const MOST: f64 = 1.2;

/// A world with the usual latencies and a daemon that works in all accounts.
fn fleet() -> World {
    let world = World::new().with_usual_latencies().set("ENFORCER_ACCOUNTS__IDS", "any");
    world.aws.latency("AssumeRole", Duration::from_millis(40));
    for account in BROKEN..FIRST_WELL + WELL {
        world.aws.add_account(&*account.to_string());
    }
    world
}

fn launch_in(world: &World, account: u64) -> String {
    world.aws.launch(Launch::default().account(account.to_string()))
}

/// Lets instances start in all accounts for an hour, while a rule strikes the broken one. Returns
/// how long it took from the start to the stop of each one whose account is well.
async fn an_hour_beside(fault: Option<Rule>) -> Spread {
    let world = fleet();
    let is_broken = fault.is_some();
    if let Some(rule) = fault {
        world.aws.inject(rule.account(BROKEN.to_string()));
    }
    let mut world = world.started();
    let mut started = HashMap::new();
    for round in 0..ROUNDS {
        let end = Instant::now() + ROUND;
        (0..STARTS_IN_BROKEN).for_each(|_| drop(launch_in(&world, BROKEN)));
        for account in FIRST_WELL..FIRST_WELL + WELL {
            let id = launch_in(&world, account);
            if round > 0 {
                started.insert(id, Instant::now());
            }
            pass(BETWEEN_STARTS).await;
        }
        tokio::time::sleep_until(end).await;
    }
    let took = took(&world, &started);
    assert_eq!(took.len(), started.len(), "not all were stopped");
    assert_eq!(stops_in_broken(&world) == 0, is_broken);
    world.drain().await;
    Spread::of(took)
}

fn stops_in_broken(world: &World) -> usize {
    let stops = world.aws.calls("StopInstances").into_iter();
    stops.filter(|call| call.account == BROKEN.to_string() && call.acted.is_some()).count()
}

/// How long it took until each of these was stopped.
fn took(world: &World, started: &HashMap<String, Instant>) -> Vec<Duration> {
    let stops = world.aws.calls("StopInstances").into_iter();
    let stopped = stops.filter_map(|call| Some((call.acted?, call.stopped)));
    let stopped = stopped.flat_map(|(at, ids)| ids.into_iter().map(move |id| (id, at)));
    stopped.filter_map(|(id, at)| Some(at - *started.get(&id)?)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_broken_for_an_hour_slows_no_other_one_down() {
    let well = an_hour_beside(None).await;
    let ec2 = || Rule::on_service(Service::Ec2);
    for (what, rule) in [
        ("denials", Rule::on("DescribeTags").fault(Fault::error(403, "AccessDenied"))),
        ("hanging calls", ec2().fault(Fault::HangBefore)),
        ("throttling", ec2().fault(Fault::error(503, "RequestLimitExceeded"))),
    ] {
        let beside = an_hour_beside(Some(rule)).await;
        let times = beside.p99.as_secs_f64() / well.p99.as_secs_f64();
        println!("{what}: {times:.3} times the p99: {beside:?}, not {well:?}");
        assert!(times <= MOST, "{what}: {times} times the p99: {beside:?}, not {well:?}");
    }
}
