//! The attributes that a launch chooses, as an SDK client reads them.

use std::time::{Duration, SystemTime};

use aws_sdk_ec2::types::{HttpTokensState, Instance, InstanceMetadataEndpointState};
use tokio::time::advance;

use super::{World, world};
use crate::sandbox::{Launch, Lifecycle, Root};

const HOUR: Duration = Duration::from_hours(1);

async fn launched(launch: Launch) -> Instance {
    let world = world();
    let id = world.sandbox.launch(launch);
    world.described(&id).await
}

fn launch_time(instance: &Instance) -> SystemTime {
    SystemTime::try_from(*instance.launch_time().unwrap()).unwrap()
}

/// The public addresses and names of an instance and of the parts of its network interface.
fn public(instance: &Instance) -> Vec<(Option<&str>, Option<&str>)> {
    let mut seen = vec![(instance.public_ip_address(), instance.public_dns_name())];
    for interface in instance.network_interfaces() {
        let parts = interface.private_ip_addresses().iter().filter_map(|one| one.association());
        let associations = interface.association().into_iter().chain(parts);
        seen.extend(associations.map(|one| (one.public_ip(), one.public_dns_name())));
    }
    seen
}

async fn restarted(world: &World, id: &str) {
    world.stop(&[id]).await.unwrap();
    advance(HOUR).await;
    world.ec2.start_instances().instance_ids(id).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_instance_is_made_of_is_described() {
    let launch = Launch::default().instance_type("m7g.large").image("ami-0fedcba9876543210");
    let launch = launch.platform("Windows").tenancy("dedicated").root(Root::InstanceStore);
    let instance = launched(launch.lifecycle(Lifecycle::SpotPersistent)).await;
    assert_eq!(instance.instance_type().unwrap().as_str(), "m7g.large");
    assert_eq!(instance.image_id(), Some("ami-0fedcba9876543210"));
    assert_eq!(instance.architecture().unwrap().as_str(), "arm64");
    assert_eq!(instance.platform_details(), Some("Windows"));
    assert_eq!(instance.platform().unwrap().as_str(), "windows");
    assert_eq!(instance.placement().unwrap().tenancy().unwrap().as_str(), "dedicated");
    assert_eq!(instance.root_device_type().unwrap().as_str(), "instance-store");
    assert_eq!(instance.instance_lifecycle().unwrap().as_str(), "spot");
    let mac = launched(Launch::default().instance_type("mac1.metal").architecture("x86_64_mac"));
    assert_eq!(mac.await.architecture().unwrap().as_str(), "x86_64_mac");
}

#[tokio::test(start_paused = true)]
async fn where_the_instance_is_is_described() {
    let launch = Launch::default().subnet("vpc-0a", "subnet-0b").private_address("172.31.0.9");
    let launch = launch.security_groups(["sg-0c", "sg-0d"]).auto_scaling_group("web");
    let instance = launched(launch).await;
    assert_eq!(instance.vpc_id(), Some("vpc-0a"));
    assert_eq!(instance.subnet_id(), Some("subnet-0b"));
    assert_eq!(instance.private_ip_address(), Some("172.31.0.9"));
    assert_eq!(instance.private_dns_name(), Some("ip-172-31-0-9.ec2.internal"));
    let interface = &instance.network_interfaces()[0];
    assert_eq!(interface.subnet_id(), Some("subnet-0b"));
    assert_eq!(interface.vpc_id(), Some("vpc-0a"));
    assert_eq!(interface.private_ip_address(), Some("172.31.0.9"));
    for groups in [instance.security_groups(), interface.groups()] {
        let ids: Vec<_> = groups.iter().filter_map(|group| group.group_id()).collect();
        assert_eq!(ids, ["sg-0c", "sg-0d"]);
    }
    let tag = &instance.tags()[0];
    assert_eq!((tag.key(), tag.value()), (Some("aws:autoscaling:groupName"), Some("web")));
}

#[tokio::test(start_paused = true)]
async fn how_the_instance_can_be_entered_is_described() {
    let launch = Launch::default().imdsv2_optional().without_metadata().key_name("k");
    let instance = launched(launch.profile("web")).await;
    let metadata = instance.metadata_options().unwrap();
    assert_eq!(metadata.http_tokens(), Some(&HttpTokensState::Optional));
    assert_eq!(metadata.http_endpoint(), Some(&InstanceMetadataEndpointState::Disabled));
    assert_eq!(instance.key_name(), Some("k"));
    let arn = instance.iam_instance_profile().unwrap().arn();
    assert_eq!(arn, Some("arn:aws:iam::123456789012:instance-profile/web"));
}

#[tokio::test(start_paused = true)]
async fn by_default_it_is_a_private_instance_that_requires_imdsv2() {
    let instance = launched(Launch::default()).await;
    let metadata = instance.metadata_options().unwrap();
    assert_eq!(metadata.http_tokens(), Some(&HttpTokensState::Required));
    assert_eq!(metadata.http_endpoint(), Some(&InstanceMetadataEndpointState::Enabled));
    assert_eq!(instance.architecture().unwrap().as_str(), "x86_64");
    assert_eq!(instance.key_name(), Some("operations"));
    assert!(instance.iam_instance_profile().is_some() && instance.vpc_id().is_some());
    assert_eq!(instance.instance_lifecycle(), None);
    assert_eq!(public(&instance), [(None, Some(""))]);
}

#[tokio::test(start_paused = true)]
async fn what_the_instance_does_not_have_is_absent() {
    let instance =
        launched(Launch::default().without_key().without_profile().without_network()).await;
    assert_eq!(instance.key_name(), None);
    assert_eq!(instance.iam_instance_profile(), None);
    assert_eq!((instance.vpc_id(), instance.subnet_id()), (None, None));
    assert_eq!(instance.private_ip_address(), None);
    assert!(instance.security_groups().is_empty() && instance.network_interfaces().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_public_address_is_described_in_three_places_until_the_stop() {
    let world = world();
    let launch = Launch::default().region("us-east-1").public_address("203.0.113.7");
    let id = world.sandbox.launch(launch);
    let name = "ec2-203-0-113-7.compute-1.amazonaws.com";
    assert_eq!(public(&world.described(&id).await), [(Some("203.0.113.7"), Some(name)); 3]);
    world.stop(&[&id]).await.unwrap();
    assert_eq!(public(&world.described(&id).await), [(None, Some(""))]);
}

#[tokio::test(start_paused = true)]
async fn a_terminated_instance_is_in_no_network() {
    let world = world();
    let id = world.sandbox.launch(Launch::default().public_address("203.0.113.7"));
    world.sandbox.terminate(&id);
    advance(HOUR).await;
    let instance = world.described(&id).await;
    assert_eq!((instance.vpc_id(), instance.subnet_id()), (None, None));
    assert_eq!((instance.private_ip_address(), instance.public_ip_address()), (None, None));
    assert!(instance.security_groups().is_empty() && instance.network_interfaces().is_empty());
    assert_eq!(instance.image_id(), Some("ami-0abcdef1234567890"));
}

#[tokio::test(start_paused = true)]
async fn a_start_renews_the_launch_time_and_not_that_of_the_disks() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    let first = world.described(&id).await;
    restarted(&world, &id).await;
    let second = world.described(&id).await;
    assert_eq!(launch_time(&second).duration_since(launch_time(&first)).unwrap(), HOUR);
    let attached = |instance: &Instance| {
        let disk = &instance.block_device_mappings()[0];
        disk.ebs().unwrap().attach_time().copied()
    };
    assert_eq!(attached(&first), attached(&second));
}

#[tokio::test(start_paused = true)]
async fn an_instance_can_have_been_launched_long_ago() {
    let fresh = launched(Launch::default()).await;
    let old = launched(Launch::default().launched_ago(48 * HOUR)).await;
    let between = launch_time(&fresh).duration_since(launch_time(&old)).unwrap();
    assert!(between > 47 * HOUR, "{between:?}");
}

#[tokio::test(start_paused = true)]
async fn the_details_of_an_instance_can_be_changed() {
    let world = world();
    let id = world.sandbox.launch(Launch::default());
    world.sandbox.change_details(&id, |details| details.instance_type = "t3.large".to_owned());
    let instance = world.described(&id).await;
    assert_eq!(instance.instance_type().unwrap().as_str(), "t3.large");
}
