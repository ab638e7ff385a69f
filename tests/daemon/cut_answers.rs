//! Answers that end in the middle, as behind a proxy that cuts them off: what is missing from them
//! must not be taken for absent.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule};

use crate::world::{World, notices, violators};

/// Longer than any answer here: all of it but the last byte.
const ALL_BUT_ONE: usize = usize::MAX;

/// Cuts off the next answers of an operation after so many bytes, and starts the daemon.
fn cutting(operation: &str, bytes: usize) -> World {
    let world = World::new();
    world.aws.inject(Rule::on(operation).fault(Fault::CutAnswer { bytes }).times(2));
    world
}

/// Positions all over an answer, and just before its end.
fn positions() -> impl Iterator<Item = usize> {
    (0..1_500).step_by(23).chain([ALL_BUT_ONE])
}

#[tokio::test(start_paused = true)]
async fn an_exempt_instance_is_not_stopped_after_a_look_that_is_cut_off() {
    for operation in ["DescribeTags", "DescribeInstances"] {
        for bytes in positions() {
            let mut world = cutting(operation, bytes);
            let mut exempt: Vec<_> = (0..3).map(|_| world.exempt()).collect();
            let violator = world.violator();
            exempt.extend((0..3).map(|_| world.exempt()));
            world.start();
            world.all_settled().await;
            assert!(exempt.iter().all(|id| world.is_running(id)), "{operation} {bytes}");
            assert_eq!(world.texts(), [format!("EC2 {violator} Stopped")], "{operation} {bytes}");
            assert!(world.most_receives() <= 1, "{operation} {bytes}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_answer_is_cut_off_is_confirmed_and_announced_once() {
    for bytes in positions() {
        let mut world = World::new();
        world.aws.inject(Rule::on("StopInstances").fault(Fault::CutAnswer { bytes }).times(1));
        let ids = violators(&world, 3);
        world.start();
        world.all_settled().await;
        assert_eq!(world.texts(), notices(&ids, None), "{bytes}");
        assert!(ids.iter().all(|id| world.stops_of(id) == 2), "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_whose_answer_is_cut_off_is_repeated() {
    let mut world = cutting("PublishBatch", ALL_BUT_ONE);
    let id = world.violator();
    world.start();
    world.all_settled().await;
    assert_eq!(world.calls("PublishBatch"), 3);
    assert!(world.texts().iter().all(|text| *text == format!("EC2 {id} Stopped")));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_answer_is_cut_off_is_repeated() {
    for bytes in (0..100).step_by(7).chain([ALL_BUT_ONE]) {
        let mut world = cutting("DeleteMessageBatch", bytes);
        let id = world.violator();
        world.start();
        world.aws.until("it is deleted", |aws| aws.calls("DeleteMessageBatch").len() == 3).await;
        world.drain().await;
        assert_eq!(world.texts(), [format!("EC2 {id} Stopped")], "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_says_of_itself_is_not_believed_where_it_is_cut_off() {
    for bytes in (0..1_000).step_by(41).chain([ALL_BUT_ONE]) {
        let mut world =
            cutting("GetQueueAttributes", bytes).set("SQS_QUEUE_URL", "ec2-state-changes");
        world.aws.inject(Rule::on("GetQueueUrl").fault(Fault::CutAnswer { bytes }).times(2));
        let id = world.violator();
        world.start();
        world.all_settled_within(Duration::from_mins(5)).await;
        assert_eq!(world.calls("GetQueueAttributes"), 3, "{bytes}");
        assert_eq!(world.calls("GetQueueUrl"), 5, "{bytes}");
        assert_eq!(world.texts(), [format!("EC2 {id} Stopped")], "{bytes}");
    }
}
