//! `RunInstances`, and `DescribeImages` with the one image of the sandbox.

use serde_json::{Value, json};

use super::details::IMAGE;
use super::launch::launch;
use super::plan::{asks_for_public_address, plan};
use super::{addresses, describe, unless_dry_run};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// The most instances of one call. EC2 allows fewer by default; benchmarks launch more.
const MAX_COUNT: i64 = 1000;

pub(super) fn run(world: &mut World, request: &Request) -> Answer {
    let parameters = request.parameters();
    let count = parameters.number_within("MaxCount", 1, MAX_COUNT)?;
    let count = count.ok_or_else(|| Failure::missing("MaxCount"))?;
    let mut plan = plan(parameters)?.region(request.region.clone());
    plan.account = Some(request.account.clone());
    let is_public = asks_for_public_address(parameters);
    unless_dry_run(request)?;
    let reservation = world.ids.resource("r");
    plan.details.reservation.clone_from(&reservation);
    let mut listed = Vec::new();
    for _ in 0..count {
        let id = world.ids.resource("i");
        plan.details.network.public_address = is_public.then(|| addresses::public(&id));
        let id = launch(world, plan.clone().id(id));
        let launched = world.ec2.instances.get(request.instance(&id));
        listed.extend(launched.map(|one| describe::instance(world, one)));
    }
    Ok(json!({
        "reservationId": reservation,
        "ownerId": request.account,
        "instancesSet": listed,
    }))
}

pub(super) fn images() -> Value {
    json!({ "imagesSet": [{
        "imageId": IMAGE,
        "imageState": "available",
        "imageType": "machine",
        "isPublic": true,
        "name": "sandbox",
        "rootDeviceType": "ebs",
    }] })
}
