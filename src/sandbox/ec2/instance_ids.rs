//! The instance ids of a call. EC2 refuses the whole call if one of them does not exist.

use super::instance::Instance;
use crate::sandbox::answer::Failure;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// Reads the ids of a parameter, and refuses the call if one is malformed or does not exist.
pub(super) fn existing(
    world: &World,
    request: &Request,
    name: &str,
) -> Result<Vec<String>, Failure> {
    let ids = request.parameters().texts(name);
    if let Some(id) = ids.iter().find(|id| !is_well_formed(id)) {
        let message = format!("Invalid id: \"{id}\" (expecting \"i-...\")");
        return Err(Failure::refused("InvalidInstanceID.Malformed", message));
    }
    let unknown: Vec<&str> =
        ids.iter().copied().filter(|id| find(world, request, id).is_none()).collect();
    match unknown.as_slice() {
        [] => Ok(ids.into_iter().map(str::to_owned).collect()),
        [id] => Err(not_found(&format!("The instance ID '{id}' does not exist"))),
        ids => Err(not_found(&format!("The instance IDs '{}' do not exist", ids.join(", ")))),
    }
}

/// Reads `InstanceId`, which must have at least one id.
pub(super) fn required(world: &World, request: &Request) -> Result<Vec<String>, Failure> {
    let ids = existing(world, request, "InstanceId")?;
    if ids.is_empty() { Err(Failure::missing("InstanceId")) } else { Ok(ids) }
}

/// Finds an instance in the account and the region of the call.
pub(super) fn find<'w>(world: &'w World, request: &Request, id: &str) -> Option<&'w Instance> {
    let instance = world.ec2.instances.get(request.instance(id));
    instance.filter(|instance| instance.region == request.region)
}

fn is_well_formed(id: &str) -> bool {
    let digits = id.strip_prefix("i-").unwrap_or("");
    let hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    matches!(digits.len(), 8 | 17) && digits.chars().all(hexadecimal)
}

fn not_found(message: &str) -> Failure {
    Failure::refused("InvalidInstanceID.NotFound", message)
}
