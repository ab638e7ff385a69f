//! Several regions: each instance is looked up and stopped in its own.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Service};

use crate::world::{World, notices, pass};

const HERE: &str = "us-east-1";
const THERE: &str = "eu-west-1";

fn two_regions() -> World {
    World::new().set("ENFORCER_SCOPE__REGIONS", &format!("{HERE},{THERE}"))
}

fn launch_in(world: &World, region: &str) -> String {
    world.aws.launch(Launch::default().region(region))
}

#[tokio::test(start_paused = true)]
async fn every_instance_is_looked_up_and_stopped_in_its_own_region() {
    let mut world = two_regions();
    let ids = [HERE, THERE].map(|region| launch_in(&world, region));
    world.start();
    world.all_settled().await;
    assert_eq!(world.texts(), notices(&ids, None));
    for call in world.ec2_calls() {
        let place = ids.iter().position(|id| call.subjects.contains(id)).unwrap();
        assert_eq!(call.region, [HERE, THERE][place], "{}", call.operation);
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_refuses_the_credentials_holds_up_no_other() {
    let mut world = two_regions();
    let refused = Fault::error(401, "AuthFailure");
    world.aws.inject(Rule::on_service(Service::Ec2).region(THERE).fault(refused));
    let there = launch_in(&world, THERE);
    world.start();
    pass(Duration::from_mins(2)).await;
    let here = launch_in(&world, HERE);
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.texts(), [format!("EC2 {here} Stopped")]);
    let troubles = world.health.troubles();
    let named = "s: DescribeTags in 123456789012/eu-west-1: credentials refused (AuthFailure); SQS accepts them";
    assert!(troubles.len() == 1 && troubles[0].contains(named), "{troubles:?}");
    world.aws.lift_all();
    world.all_settled_within(Duration::from_secs(15)).await;
    assert_eq!(world.most_receives(), 1);
    assert!(!world.is_running(&there));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_sqs_refuses_stop_all_receiving() {
    let mut world = two_regions().started();
    pass(Duration::from_secs(1)).await;
    world.aws.inject(Rule::on("*").fault(Fault::error(401, "AuthFailure")));
    pass(Duration::from_secs(30)).await;
    let before = world.calls("ReceiveMessage");
    pass(Duration::from_mins(1)).await;
    assert!(world.calls("ReceiveMessage") - before <= 7, "more than the probes");
    let troubles = world.health.troubles();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert!(troubles[0].contains("s: ReceiveMessage: credentials refused ("), "{troubles:?}");
    world.aws.lift_all();
    world.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_one_region_holds_up_no_other() {
    let mut world = two_regions();
    world.aws.inject(Rule::on_service(Service::Ec2).region(THERE));
    (0..50).for_each(|_| drop(launch_in(&world, THERE)));
    world.start();
    pass(Duration::from_mins(2)).await;
    let id = launch_in(&world, HERE);
    assert_eq!(world.notices(1).await[0].message, format!("EC2 {id} Stopped"));
}
