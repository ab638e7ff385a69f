//! The events by which EC2 tells that tags of an instance have changed.

use std::collections::BTreeSet;

use serde_json::json;

use super::event::Event;
use super::matching;
use crate::sandbox::dates::rfc3339;
use crate::sandbox::ec2::instance::Instance;
use crate::sandbox::ec2::instances::InstanceName;
use crate::sandbox::schedule::Planned;
use crate::sandbox::world::World;

/// Sends the event of a change, after `Options::tag_event_delay`, where a rule is there for it now.
/// Without one not even an event id is drawn, so that all other ids are what they were without tag
/// events.
pub(in crate::sandbox) fn send(world: &mut World, name: InstanceName<'_>, keys: &BTreeSet<String>) {
    let Some(mut event) = event(world, name, keys) else { return };
    if keys.is_empty() || matching(world, &event).is_empty() {
        return;
    }
    event.id = world.ids.uuid().to_string();
    let at = world.now() + world.options.tag_event_delay;
    world.schedule.plan(at, Planned::Event(Box::new(event)));
}

/// Makes the event for the keys that changed, with the tags as they are now. It has no id yet.
pub(in crate::sandbox) fn event(
    world: &World,
    name: InstanceName<'_>,
    keys: &BTreeSet<String>,
) -> Option<Event> {
    let instance = world.ec2.instances.get(name)?;
    Some(Event {
        version: "0",
        id: String::new(),
        detail_type: "Tag Change on Resource".to_owned(),
        source: "aws.tag".to_owned(),
        account: instance.account.clone(),
        time: rfc3339(world.wall_clock()),
        region: instance.region.clone(),
        resources: vec![instance.arn()],
        detail: json!({
            "changed-tag-keys": keys,
            "service": "ec2",
            "resource-type": "instance",
            "version": version(instance),
            "tags": instance.tags,
        }),
    })
}

/// Counts the changes of the tags, as a number with a decimal point, which AWS writes.
fn version(instance: &Instance) -> f64 {
    f64::from(u32::try_from(instance.tag_changes() + 1).unwrap_or(u32::MAX))
}
