//! Launches the instances of a world.

use ec2_policy_enforcer::sandbox::{Launch, Lifecycle, Root, Sandbox};

use super::names::ec2_id;
use super::plan::{Instance, Kind, Metadata, Traits};
use crate::world::TAG;

/// Launches an instance that sends no events. The plan sends them, so that they can be late, sent
/// twice or out of order.
pub(super) fn launch(aws: &Sandbox, instance: &Instance) {
    let (account, region) = instance.target();
    let mut launch = Launch::default().quiet().id(ec2_id(&instance.id));
    launch = launch.account(account).region(region);
    launch = match instance.kind {
        Kind::Plain | Kind::Unknown => launch,
        Kind::PersistentSpot => launch.lifecycle(Lifecycle::SpotPersistent),
        Kind::OneTimeSpot => launch.lifecycle(Lifecycle::SpotOneTime),
        Kind::InstanceStore => launch.root(Root::InstanceStore),
        Kind::Protected => launch.stop_protected(),
        Kind::Managed => launch.managed(),
    };
    for tag in instance.tags.iter().copied().chain(instance.exempt.then_some(TAG)) {
        launch = launch.tagged(tag, "");
    }
    aws.launch(with_traits(launch, instance.traits.as_ref()));
    if let Some(operation) = instance.unseen_by {
        aws.in_account(account).hide_tags(ec2_id(&instance.id), operation);
    }
}

fn with_traits(launch: Launch, traits: Option<&Traits>) -> Launch {
    let Some(traits) = traits else { return launch };
    let mut launch = launch.instance_type(traits.instance_type).launched_ago(traits.age);
    launch = match traits.metadata {
        Metadata::RequiresTokens => launch,
        Metadata::TakesAnyCall => launch.imdsv2_optional(),
        Metadata::Off => launch.imdsv2_optional().without_metadata(),
    };
    launch = match traits.key {
        Some(key) => launch.key_name(key),
        None => launch.without_key(),
    };
    if traits.has_public_address {
        launch = launch.public_address("203.0.113.25");
    }
    traits.tags.iter().fold(launch, |launch, (key, value)| launch.tagged(*key, *value))
}
