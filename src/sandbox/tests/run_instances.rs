//! `RunInstances`: what a call asks for is what `DescribeInstances` shows.

use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification as Profile, Instance,
    InstanceMetadataEndpointState, InstanceMetadataOptionsRequest as MetadataOptions,
    InstanceNetworkInterfaceSpecification as Interface, InstanceType, Placement, Tenancy,
};

use super::{World, world};

fn run(world: &World) -> RunInstancesFluentBuilder {
    world.ec2.run_instances().image_id("ami-0fedcba9876543210").min_count(1).max_count(1)
}

/// The instance as the answer to the call shows it, which is also how it is described.
async fn ran(world: &World, call: RunInstancesFluentBuilder) -> Instance {
    let answer = call.send().await.unwrap();
    let described = world.described(answer.instances()[0].instance_id().unwrap()).await;
    assert_eq!(described.network_interfaces(), answer.instances()[0].network_interfaces());
    described
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_run_has_no_key_profile_or_public_address_unasked() {
    let world = world();
    let instance = ran(&world, run(&world)).await;
    assert_eq!(instance.key_name(), None);
    assert_eq!(instance.iam_instance_profile(), None);
    assert_eq!(instance.public_ip_address(), None);
    let tokens = instance.metadata_options().unwrap().http_tokens();
    assert_eq!(tokens, Some(&HttpTokensState::Required));
    assert_eq!(instance.architecture().unwrap().as_str(), "x86_64");
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_run_as_the_call_asks() {
    let world = world();
    let metadata = MetadataOptions::builder().http_tokens(HttpTokensState::Optional);
    let metadata = metadata.http_endpoint(InstanceMetadataEndpointState::Disabled).build();
    let call = run(&world).instance_type(InstanceType::T4gSmall).key_name("k");
    let call = call.subnet_id("subnet-0b").security_group_ids("sg-0c").metadata_options(metadata);
    let call = call.placement(Placement::builder().tenancy(Tenancy::Dedicated).build());
    let call = call.iam_instance_profile(Profile::builder().name("web").build());
    let instance = ran(&world, call).await;
    assert_eq!(instance.image_id(), Some("ami-0fedcba9876543210"));
    assert_eq!(instance.instance_type(), Some(&InstanceType::T4gSmall));
    assert_eq!(instance.architecture().unwrap().as_str(), "arm64");
    assert_eq!(instance.key_name(), Some("k"));
    assert_eq!(instance.subnet_id(), Some("subnet-0b"));
    assert_eq!(instance.security_groups()[0].group_id(), Some("sg-0c"));
    assert_eq!(instance.placement().unwrap().tenancy(), Some(&Tenancy::Dedicated));
    let metadata = instance.metadata_options().unwrap();
    assert_eq!(metadata.http_tokens(), Some(&HttpTokensState::Optional));
    assert_eq!(metadata.http_endpoint(), Some(&InstanceMetadataEndpointState::Disabled));
    let arn = instance.iam_instance_profile().unwrap().arn();
    assert_eq!(arn, Some("arn:aws:iam::123456789012:instance-profile/web"));
}

#[tokio::test(start_paused = true)]
async fn a_network_interface_of_the_call_asks_for_a_public_address() {
    let world = world();
    let interface = Interface::builder().device_index(0).subnet_id("subnet-0b").groups("sg-0c");
    let interface = interface.private_ip_address("172.31.0.9").associate_public_ip_address(true);
    let instance = ran(&world, run(&world).network_interfaces(interface.build())).await;
    assert_eq!(instance.subnet_id(), Some("subnet-0b"));
    assert_eq!(instance.private_ip_address(), Some("172.31.0.9"));
    assert_eq!(instance.security_groups()[0].group_id(), Some("sg-0c"));
    let address = instance.public_ip_address().unwrap();
    assert!(address.starts_with("198."), "{address}");
    let association = instance.network_interfaces()[0].association().unwrap();
    assert_eq!(association.public_ip(), Some(address));
}

#[tokio::test(start_paused = true)]
async fn each_of_several_instances_has_its_own_address() {
    let world = world();
    let interface = Interface::builder().device_index(0).associate_public_ip_address(true).build();
    let call = run(&world).max_count(3).network_interfaces(interface);
    let answer = call.send().await.unwrap();
    let mut seen: Vec<_> = answer.instances().iter().map(|one| one.public_ip_address()).collect();
    seen.dedup();
    assert_eq!(seen.len(), 3);
}
