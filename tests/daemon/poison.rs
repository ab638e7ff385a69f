//! One message for which AWS always fails holds up no other.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};

use crate::world::{World, notices, pass, violators};

/// Lets an operation fail for one instance alone, and expects the others to be stopped, whether
/// they come with it or after it.
async fn holds_up_nobody(operation: &str, fault: Fault) {
    for together in [false, true] {
        let mut world = World::new();
        let bad = world.aws.launch(Launch::default().quiet());
        world.aws.inject(Rule::on(operation).naming(&bad).fault(fault.clone()));
        world.aws.send(&world.aws.event(&bad));
        let mut ids = if together { violators(&world, 5) } else { Vec::new() };
        world.start();
        pass(Duration::from_mins(5)).await;
        ids.extend(violators(&world, 5));
        pass(Duration::from_mins(1)).await;
        assert_eq!(world.texts(), notices(&ids, None), "{operation}, together: {together}");
        assert!(world.is_running(&bad));
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_be_looked_up_holds_up_no_other() {
    holds_up_nobody("DescribeTags", Fault::error(500, "InternalError")).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_be_looked_at_holds_up_no_other() {
    holds_up_nobody("DescribeInstances", Fault::error(500, "InternalError")).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_ec2_fails_to_stop_holds_up_no_other() {
    holds_up_nobody("StopInstances", Fault::error(500, "InternalError")).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_refused_for_an_unknown_reason_holds_up_no_other() {
    holds_up_nobody("StopInstances", Fault::error(400, "SomethingNew")).await;
}

#[tokio::test(start_paused = true)]
async fn a_reason_that_nobody_knows_for_every_stop_is_a_pause() {
    let mut world = World::new();
    world.aws.inject(Rule::on("StopInstances").fault(Fault::error(400, "SomethingNew")));
    let ids = violators(&world, 50);
    world.start();
    pass(Duration::from_hours(2)).await;
    assert!(world.most_receives() <= 2, "{} receives", world.most_receives());
    world.aws.lift_all();
    world.all_settled_within(Duration::from_mins(2)).await;
    assert_eq!(world.texts(), notices(&ids, None));
}
