//! Every outcome that an event can have: what is stopped, published and deleted.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Lifecycle, Options, Root, Rule, Sandbox, State};

use crate::world::{TAG, World};

fn retried(aws: &Sandbox) -> bool {
    !aws.calls("ChangeMessageVisibilityBatch").is_empty()
}

/// Runs the daemon until the event of one instance is settled, with one receive, and drains it.
/// Returns the world and the instance's id.
async fn settled(launch: Launch) -> (World, String) {
    let mut world = World::new().started();
    let id = world.reported(launch);
    world.all_settled().await;
    world.drain().await;
    assert_eq!(world.most_receives(), 1);
    (world, id)
}

/// Expects an instance to be neither stopped nor announced.
async fn nothing_is_done_about(launch: Launch) {
    let (world, _) = settled(launch).await;
    assert_eq!(world.calls("StopInstances"), 0);
    assert!(world.aws.notices().is_empty());
}

/// Expects a notice that the instance was left running, and why.
async fn refused(launch: Launch, reason: &str) -> (World, String) {
    let (world, id) = settled(launch).await;
    assert_eq!(world.texts(), [format!("EC2 {id} NOT stopped: {reason}")]);
    assert!(world.is_running(&id));
    (world, id)
}

#[tokio::test(start_paused = true)]
async fn a_terminated_instance_is_gone_without_a_stop_or_a_notice() {
    nothing_is_done_about(Launch::default().state(State::Terminated)).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_shutting_down_is_gone_without_a_stop_or_a_notice() {
    nothing_is_done_about(Launch::default().state(State::ShuttingDown)).await;
}

/// An instance in this state, and an event of it that is an hour old.
async fn settled_late(launch: Launch) -> (World, String) {
    let mut world = World::new().started();
    let id = world.aws.launch(launch.quiet());
    world.aws.send(&world.altered_event(&id, |event| event["time"] = OLD.into()));
    world.all_settled().await;
    world.drain().await;
    (world, id)
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_stopped_already_is_announced() {
    for state in [State::Stopping, State::Stopped] {
        let (world, id) = settled_late(Launch::default().state(state)).await;
        assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
        assert_eq!(world.calls("StopInstances"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn ec2_confirms_that_an_instance_is_stopped_while_its_event_is_recent() {
    for state in [State::Stopping, State::Stopped] {
        let (world, id) = settled(Launch::default().state(state)).await;
        assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
        assert_eq!(world.stops_of(&id), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_not_there_yet_is_tried_again_after_a_minute() {
    let world = World::new().started();
    let id = world.aws.launch(Launch::default().quiet());
    let event = world.aws.event(&id);
    world.aws.forget(&id);
    let message = world.aws.send(&event);
    world.aws.until("it is retried", retried).await;
    assert_eq!(world.timeouts(), [60]);
    world.aws.launch(Launch::default().id(&id).quiet());
    world.all_settled_within(Duration::from_mins(2)).await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
    assert_eq!(world.receives_of(&message), 2);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_two_looks_do_not_show_long_after_its_event_is_gone() {
    let mut world = World::new().started();
    let event = world.altered_event("i-0123456789abcdef0", |event| event["time"] = OLD.into());
    world.aws.send(&event);
    world.all_settled_within(Duration::from_mins(2)).await;
    world.drain().await;
    assert_eq!(world.most_receives(), 2);
    let looks = world.aws.calls("DescribeInstances");
    assert_eq!(looks.len(), 2);
    assert!(looks[1].at - looks[0].at >= Duration::from_mins(1));
    assert_eq!(world.calls("StopInstances"), 0);
    assert!(world.aws.notices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_first_look_asks_for_no_other_tag_than_the_exception_tag() {
    let mut world = World::new();
    let launch = || Launch::default().usually_tagged().quiet();
    let exempt = world.reported(launch().tagged(TAG, ""));
    let violators: Vec<_> = (0..189).map(|_| world.reported(launch())).collect();
    world.start();
    world.all_settled().await;
    let looks = world.aws.calls("DescribeTags");
    assert!(looks.iter().all(|look| !look.turns_page), "{looks:?}");
    let seen: Vec<_> = looks.iter().flat_map(|look| &look.seen_tags).collect();
    assert_eq!(seen, [(&exempt, &vec![TAG.to_owned()])]);
    assert!(world.is_running(&exempt));
    assert!(violators.iter().all(|id| world.stops_of(id) == 1));
}

const OLD: &str = "2021-11-11T21:29:54Z";

#[tokio::test(start_paused = true)]
async fn a_pending_instance_is_tried_again_after_ten_seconds() {
    let world = World::new().started();
    let id = world.reported(Launch::default().state(State::Pending));
    world.aws.until("it is retried", retried).await;
    assert_eq!(world.timeouts(), [10]);
    world.aws.launch(Launch::default().id(&id).state(State::Running));
    world.all_settled().await;
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn stop_protection_is_announced_and_respected() {
    refused(Launch::default().stop_protected(), "stop protection").await;
}

#[tokio::test(start_paused = true)]
async fn a_one_time_spot_instance_is_announced_as_one_that_cannot_be_stopped() {
    let launch = Launch::default().lifecycle(Lifecycle::SpotOneTime);
    refused(launch, "one-time spot instance").await;
}

#[tokio::test(start_paused = true)]
async fn a_spot_instance_never_shares_a_stop_with_others() {
    let mut world = World::new();
    let spot = world.aws.launch(Launch::default().lifecycle(Lifecycle::SpotOneTime));
    let others: Vec<_> = (0..5).map(|_| world.violator()).collect();
    world.start();
    world.all_settled().await;
    let calls = world.aws.calls("StopInstances");
    let shared = calls.iter().any(|call| call.subjects.len() > 1 && call.subjects.contains(&spot));
    assert!(!shared, "{calls:?}");
    assert!(others.iter().all(|id| world.stops_of(id) == 1));
}

#[tokio::test(start_paused = true)]
async fn a_persistent_spot_instance_is_stopped() {
    let (world, id) = settled(Launch::default().lifecycle(Lifecycle::SpotPersistent)).await;
    assert!(!world.is_running(&id));
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_store_root_is_announced_and_no_stop_is_tried() {
    let launch = Launch::default().root(Root::InstanceStore);
    let (world, _) = refused(launch, "instance-store root device").await;
    assert_eq!(world.calls("StopInstances"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_instance_managed_by_aws_is_announced_and_no_stop_is_tried() {
    let (world, _) = refused(Launch::default().managed(), "managed by an AWS service").await;
    assert_eq!(world.calls("StopInstances"), 0);
}

/// Expects a tag to exempt although one operation does not show it.
async fn exempt_although_hidden_from(operation: &str) {
    let mut world = World::new();
    let id = world.exempt();
    world.aws.hide_tags(&id, operation);
    world.start();
    world.all_settled().await;
    world.drain().await;
    assert!(world.is_running(&id));
    assert_eq!(world.calls("StopInstances"), 0);
    assert!(world.aws.notices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_only_describe_instances_shows_exempts() {
    exempt_although_hidden_from("DescribeTags").await;
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_only_describe_tags_shows_exempts() {
    exempt_although_hidden_from("DescribeInstances").await;
}

#[tokio::test(start_paused = true)]
async fn a_tag_exempts_whatever_its_value() {
    nothing_is_done_about(Launch::default().tagged(TAG, "because")).await;
}

/// Expects a valid event that is not for the daemon to be deleted without a call to EC2.
async fn ignored(field: &str, value: &str) {
    let mut world = World::new().started();
    let id = world.aws.launch(Launch::default().quiet());
    let event = world.altered_event(&id, |event| {
        let place = event.pointer_mut(field).unwrap();
        *place = value.into();
    });
    world.aws.send(&event);
    world.all_settled().await;
    world.drain().await;
    assert!(world.ec2_calls().is_empty());
    assert!(world.aws.notices().is_empty());
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_source_is_deleted_unread() {
    ignored("/source", "aws.autoscaling").await;
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_kind_is_deleted_unread() {
    ignored("/detail-type", "EC2 Spot Instance Interruption Warning").await;
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_state_is_deleted_unread() {
    for state in ["pending", "stopping", "stopped", "shutting-down", "terminated"] {
        ignored("/detail/state", state).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_daemon_s_own_host_is_announced_and_no_stop_is_tried() {
    let host = "i-0123456789abcdef0".to_owned();
    let options = Options { host: Some(host.clone()), ..Options::default() };
    let mut world = World::with(options).started();
    world.aws.launch(Launch::default().id(&host));
    world.all_settled().await;
    world.drain().await;
    assert_eq!(world.texts(), [format!("EC2 {host} NOT stopped: own host")]);
    assert_eq!(world.calls("StopInstances"), 0);
    assert!(world.is_running(&host));
}

/// Lets EC2 refuse the stop of an instance, with a message that names no cause, and expects this
/// reason in the notice.
async fn refused_without_a_cause(code: &str, lifecycle: Lifecycle, reason: &str) {
    let mut world = World::new();
    let id = world.aws.launch(Launch::default().lifecycle(lifecycle));
    world.aws.inject(Rule::on("StopInstances").fault(Fault::error(400, code)));
    world.start();
    world.all_settled().await;
    assert_eq!(world.texts(), [format!("EC2 {id} NOT stopped: {reason}")]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_ec2_cannot_stop_for_another_reason_is_announced() {
    let (code, lifecycle) = ("UnsupportedOperation", Lifecycle::OnDemand);
    refused_without_a_cause(code, lifecycle, "EC2 does not support stopping it").await;
}

#[tokio::test(start_paused = true)]
async fn a_spot_instance_that_ec2_cannot_stop_is_not_said_to_be_a_one_time_one() {
    let (code, lifecycle) = ("UnsupportedOperation", Lifecycle::SpotPersistent);
    refused_without_a_cause(code, lifecycle, "spot instance that EC2 cannot stop").await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_ec2_does_not_permit_to_stop_is_not_said_to_be_protected() {
    let (code, lifecycle) = ("OperationNotPermitted", Lifecycle::OnDemand);
    refused_without_a_cause(code, lifecycle, "EC2 does not permit it").await;
}
