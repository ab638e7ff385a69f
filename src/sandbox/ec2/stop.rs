//! `StopInstances`: stops all instances of the call or, if one of them cannot be stopped, none.

use serde_json::{Value, json};

use super::instance::{Instance, Lifecycle, Root, State};
use super::instances::InstanceName;
use super::{instance_ids, lifecycle, unless_dry_run};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

pub(super) fn stop(world: &mut World, request: &Request) -> Answer {
    let ids = instance_ids::required(world, request)?;
    let instances = || ids.iter().filter_map(|id| instance_ids::find(world, request, id));
    for instance in instances() {
        authorize(world, request, instance)?;
    }
    unless_dry_run(request)?;
    for instance in instances() {
        check(instance)?;
    }
    Ok(changes(world, request, &ids, lifecycle::stop))
}

/// Changes every instance and lists its states before and after.
pub(super) fn changes(
    world: &mut World,
    request: &Request,
    ids: &[String],
    change: fn(&mut World, InstanceName<'_>),
) -> Value {
    let mut listed = Vec::new();
    for id in ids {
        let name = request.instance(id);
        let before = state(world, name);
        change(world, name);
        let after = state(world, name);
        listed.push(json!({ "instanceId": id, "previousState": before, "currentState": after }));
    }
    json!({ "instancesSet": listed })
}

fn state(world: &World, name: InstanceName<'_>) -> Option<Value> {
    let state = world.ec2.instances.get(name)?.state;
    Some(json!({ "code": state.code(), "name": state.name() }))
}

/// Refuses an instance that AWS manages or that the guard tag protects, as IAM does.
fn authorize(world: &World, request: &Request, instance: &Instance) -> Result<(), Failure> {
    let guarded = world
        .options
        .guard_tag
        .as_ref()
        .is_some_and(|guard| instance.tags.keys().any(|key| key.eq_ignore_ascii_case(guard)));
    let because = if instance.managed {
        "with an explicit deny in a resource-based policy"
    } else if guarded {
        "because no identity-based policy allows the ec2:StopInstances action"
    } else {
        return Ok(());
    };
    let message = format!(
        "You are not authorized to perform this operation. User: {} is not authorized to \
         perform: ec2:StopInstances on resource: {} {because}.",
        world.caller(request),
        instance.arn()
    );
    Err(Failure::new(403, "UnauthorizedOperation", message))
}

/// Refuses an instance that cannot be stopped, with the code and the message of EC2.
fn check(instance: &Instance) -> Result<(), Failure> {
    let id = &instance.id;
    let (code, message) = if instance.state == State::Pending {
        let message = format!(
            "Instance '{id}' cannot be stopped as it has never reached the 'running' state."
        );
        ("IncorrectInstanceState", message)
    } else if instance.state.is_gone() {
        let message =
            format!("This instance '{id}' is not in a state from which it can be stopped.");
        ("IncorrectInstanceState", message)
    } else if instance.stop_protected {
        let message = format!(
            "The instance '{id}' may not be stopped. Modify its 'disableApiStop' \
             instance attribute and try again."
        );
        ("OperationNotPermitted", message)
    } else if instance.details.lifecycle == Lifecycle::SpotOneTime {
        let message = format!(
            "You can't stop the Spot Instance '{id}' because it is associated with a \
             one-time Spot Instance request. You can only stop Spot Instances associated with \
             persistent Spot Instance requests."
        );
        ("UnsupportedOperation", message)
    } else if instance.details.image.root == Root::InstanceStore {
        let message = format!(
            "The instance '{id}' does not have an 'ebs' root device type and cannot be stopped."
        );
        ("UnsupportedOperation", message)
    } else {
        return Ok(());
    };
    Err(Failure::refused(code, message))
}
