//! Reads what a `RunInstances` asks for. What EC2 does not give unless it is asked for, such as a
//! key pair and an instance profile, is not given here either.

use super::instance::Lifecycle;
use super::launch::Launch;
use super::tags::check_key;
use crate::sandbox::answer::Failure;
use crate::sandbox::wire::parameters::Parameters;

/// Reads what to launch.
pub(super) fn plan(parameters: Parameters<'_>) -> Result<Launch, Failure> {
    let mut plan = Launch::default().image(parameters.text("ImageId")?);
    if let Some(instance_type) = parameters.optional("InstanceType") {
        plan = plan.instance_type(instance_type);
    }
    plan.stop_protected = parameters.flag("DisableApiStop");
    read_options(&mut plan, parameters);
    read_network(&mut plan, parameters);
    let specifications = parameters.list("TagSpecification");
    let own = specifications.filter(|one| one.optional("ResourceType") == Some("instance"));
    for tag in own.flat_map(|one| one.list("Tag")) {
        let key = tag.text("Key")?;
        check_key(key)?;
        plan = plan.tagged(key, tag.optional("Value").unwrap_or(""));
    }
    Ok(plan)
}

/// Whether a call asks for public addresses.
pub(super) fn asks_for_public_address(parameters: Parameters<'_>) -> bool {
    interface(parameters).is_some_and(|first| first.flag("AssociatePublicIpAddress"))
}

fn read_options(plan: &mut Launch, parameters: Parameters<'_>) {
    let details = &mut plan.details;
    details.lifecycle = lifecycle(parameters);
    details.key_name = parameters.optional("KeyName").map(str::to_owned);
    let profile = parameters.object("IamInstanceProfile");
    let profile = profile.optional("Arn").or_else(|| profile.optional("Name"));
    details.profile = profile.map(str::to_owned);
    let metadata = parameters.object("MetadataOptions");
    details.metadata.requires_tokens = metadata.optional("HttpTokens") != Some("optional");
    details.metadata.enabled = metadata.optional("HttpEndpoint") != Some("disabled");
    if let Some(tenancy) = parameters.object("Placement").optional("Tenancy") {
        tenancy.clone_into(&mut details.tenancy);
    }
}

/// Reads the subnet, the security groups and the private address, which are parameters of the
/// call or of its first network interface.
fn read_network(plan: &mut Launch, parameters: Parameters<'_>) {
    let network = &mut plan.details.network;
    for place in [Some(parameters), interface(parameters)].into_iter().flatten() {
        let text = |name| place.optional(name).map(str::to_owned);
        network.subnet = text("SubnetId").or(network.subnet.take());
        network.private_address = text("PrivateIpAddress").or(network.private_address.take());
        let groups = place.texts("SecurityGroupId");
        if !groups.is_empty() {
            network.security_groups = groups.into_iter().map(str::to_owned).collect();
        }
    }
}

fn interface(parameters: Parameters<'_>) -> Option<Parameters<'_>> {
    parameters.list("NetworkInterface").next()
}

fn lifecycle(parameters: Parameters<'_>) -> Lifecycle {
    let market = parameters.object("InstanceMarketOptions");
    let request = market.object("SpotOptions").optional("SpotInstanceType");
    match (market.optional("MarketType"), request) {
        (Some("spot"), Some("persistent")) => Lifecycle::SpotPersistent,
        (Some("spot"), _) => Lifecycle::SpotOneTime,
        _ => Lifecycle::OnDemand,
    }
}
