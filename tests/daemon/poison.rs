//! An instance for which AWS always fails holds up no other.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};

use crate::world::{World, gathering, notices, pass, violators};

/// Lets an operation fail for one instance, and expects the others to be stopped, both those that
/// come with it and those that come after it.
async fn holds_up_no_other(operation: &str, fault: Fault) {
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
    holds_up_no_other("DescribeTags", Fault::error(500, "InternalError")).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_be_looked_at_holds_up_no_other() {
    holds_up_no_other("DescribeInstances", Fault::error(500, "InternalError")).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_ec2_fails_to_stop_holds_up_no_other() {
    holds_up_no_other("StopInstances", Fault::error(500, "InternalError")).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_refused_for_an_unknown_reason_holds_up_no_other() {
    holds_up_no_other("StopInstances", Fault::error(400, "SomethingNew")).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_error_of_every_stop_is_a_pause() {
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

/// Expects nine violators to be stopped that are in a batch with one for which an operation always
/// fails. No other instance follows.
async fn does_not_hold_up_its_batch(operation: &str, fault: Fault) {
    let world = gathering(World::new()).await;
    let mut ids = violators(&world, 10);
    let bad = ids.pop().unwrap();
    world.aws.inject(Rule::on(operation).naming(&bad).fault(fault));
    pass(Duration::from_mins(2)).await;
    assert_eq!(world.texts(), notices(&ids, None), "{operation}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_always_fails_does_not_hold_up_the_rest_of_its_batch() {
    for operation in ["DescribeTags", "DescribeInstances", "StopInstances"] {
        does_not_hold_up_its_batch(operation, Fault::error(500, "InternalError")).await;
    }
    does_not_hold_up_its_batch("StopInstances", Fault::error(400, "SomethingNew")).await;
}

#[tokio::test(start_paused = true)]
async fn as_many_failing_instances_as_there_are_tasks_hold_up_no_other() {
    for operation in ["DescribeTags", "DescribeInstances", "StopInstances"] {
        let world = World::new().started();
        for _ in 0..4 {
            let bad = world.aws.launch(Launch::default().quiet());
            world.aws.inject(Rule::on(operation).naming(&bad));
            world.aws.send(&world.aws.event(&bad));
            pass(Duration::from_secs(5)).await;
        }
        pass(Duration::from_mins(2)).await;
        let ids = violators(&world, 20);
        pass(Duration::from_mins(5)).await;
        assert_eq!(world.texts(), notices(&ids, None), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_messages_of_an_instance_that_always_fails_hold_up_no_other() {
    for operation in ["DescribeTags", "DescribeInstances", "StopInstances"] {
        let world = World::new().set("ENFORCER_SIZES__ENFORCERS", "1");
        let world = gathering(world).await;
        let mut ids = violators(&world, 9);
        let bad = ids.pop().unwrap();
        world.aws.inject(Rule::on(operation).naming(&bad));
        pass(Duration::from_mins(1)).await;
        for _ in 0..12 {
            world.aws.send(&world.aws.event(&bad));
            pass(Duration::from_secs(1)).await;
        }
        world.aws.send(&world.aws.event(&bad));
        ids.extend(violators(&world, 1));
        // Four probes, 10 s apart: one under way, their batch, and its halves.
        pass(Duration::from_secs(40)).await;
        assert_eq!(world.texts(), notices(&ids, None), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_message_whose_calls_always_fail_is_retried() {
    for operation in ["DescribeTags", "DescribeInstances", "StopInstances"] {
        let world = World::new().set("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", "31").started();
        let mut bad = Vec::new();
        for round in 0..60 {
            violators(&world, 3);
            if round % 10 == 0 {
                let id = world.aws.launch(Launch::default().quiet());
                world.aws.inject(Rule::on(operation).naming(&id));
                bad.push(world.aws.send(&world.aws.event(&id)));
            }
            pass(Duration::from_secs(7)).await;
        }
        let changes = world.aws.calls("ChangeMessageVisibilityBatch");
        let timeouts = changes.into_iter().flat_map(|call| call.timeouts);
        let others: Vec<_> =
            timeouts.filter(|(message, secs)| *secs != 31 && !bad.contains(message)).collect();
        assert_eq!(others, [], "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_be_looked_at_holds_up_no_probe_of_stops() {
    for gap_secs in [0, 2, 8, 20] {
        let world = World::new().set("ENFORCER_SIZES__STOP_BATCH", "1").started();
        let [unseen, unstopped] = [(); 2].map(|()| world.aws.launch(Launch::default().quiet()));
        world.aws.inject(Rule::on("DescribeInstances").naming(&unseen));
        let fault = world.aws.inject(Rule::on("StopInstances").naming(&unstopped));
        world.aws.send(&world.aws.event(&unstopped));
        pass(Duration::from_secs(gap_secs)).await;
        world.aws.send(&world.aws.event(&unseen));
        pass(Duration::from_mins(5)).await;
        world.aws.lift(fault);
        pass(Duration::from_mins(5)).await;
        assert!(!world.is_running(&unstopped), "{gap_secs} s apart");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_of_looks_and_of_stops_do_not_wait_for_each_other() {
    let failing = |operation| Rule::on(operation).fault(Fault::error(500, "InternalError"));
    for gap_ms in [100, 500, 1000, 1500] {
        let mut world = World::new();
        // One enforcer is past its look when the looks begin to fail.
        world.aws.inject(failing("DescribeInstances").after(1));
        world.aws.inject(failing("StopInstances"));
        world.start();
        pass(Duration::from_secs(1)).await;
        let mut ids = violators(&world, 5);
        pass(Duration::from_millis(gap_ms)).await;
        ids.extend(violators(&world, 5));
        pass(Duration::from_mins(5)).await;
        world.aws.lift_all();
        ids.extend(violators(&world, 10));
        pass(Duration::from_mins(5)).await;
        assert!(!ids.iter().any(|id| world.is_running(id)), "{gap_ms} ms apart");
    }
}
