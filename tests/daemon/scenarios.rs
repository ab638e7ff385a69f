//! The three scenarios of the contract: exempt, violator, no tags.

use crate::world::World;
use ec2_policy_enforcer::sandbox::Launch;

#[tokio::test(start_paused = true)]
async fn exempt_instance() {
    let mut world = World::new().started();
    let id = world.exempt();
    world.all_settled().await;
    world.drain().await;
    assert!(world.is_running(&id));
    assert_eq!(world.calls("StopInstances"), 0);
    assert!(world.aws.notices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn violator() {
    let mut world = World::new().started();
    let id = world.violator();
    world.all_settled().await;
    world.drain().await;
    assert!(!world.is_running(&id));
    let notices = world.aws.notices();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].message, format!("EC2 {id} Stopped"));
    let subject = "EC2 Violated Company Policy!! Manager will be Notified!!";
    assert_eq!(notices[0].subject.as_deref(), Some(subject));
}

#[tokio::test(start_paused = true)]
async fn instance_with_no_tags_at_all() {
    let mut world = World::new().started();
    let id = world.aws.launch(Launch::default());
    world.all_settled().await;
    world.drain().await;
    assert!(!world.is_running(&id));
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}
