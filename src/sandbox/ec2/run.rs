//! `RunInstances`, and `DescribeImages` with the one image of the sandbox.

use serde_json::{Value, json};

use super::describe;
use super::instance::{Lifecycle, Root};
use super::launch::{IMAGE, Launch, launch};
use super::tags::check_key;
use super::unless_dry_run;
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::parameters::Parameters;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// The most instances of one call. EC2 allows fewer by default; benchmarks launch more.
const MAX_COUNT: i64 = 1000;

pub(super) fn run(world: &mut World, request: &Request) -> Answer {
    let parameters = request.parameters();
    let count = parameters.number_within("MaxCount", 1, MAX_COUNT)?;
    let count = count.ok_or_else(|| Failure::missing("MaxCount"))?;
    let mut plan = plan(parameters)?.region(request.region.clone());
    unless_dry_run(request)?;
    let reservation = world.ids.resource("r");
    plan.reservation = Some(reservation.clone());
    let ids: Vec<String> = (0..count).map(|_| launch(world, plan.clone())).collect();
    let launched = ids.iter().filter_map(|id| world.ec2.instances.get(id));
    Ok(json!({
        "reservationId": reservation,
        "ownerId": world.options.account,
        "instancesSet": launched.map(|one| describe::instance(world, one)).collect::<Vec<Value>>(),
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

fn plan(parameters: Parameters<'_>) -> Result<Launch, Failure> {
    let mut plan = Launch::default().lifecycle(lifecycle(parameters)).root(Root::Ebs);
    plan.image = Some(parameters.text("ImageId")?.to_owned());
    plan.kind = parameters.optional("InstanceType").map(str::to_owned);
    plan.stop_protected = parameters.flag("DisableApiStop");
    let specifications = parameters.list("TagSpecification");
    let own = specifications.filter(|one| one.optional("ResourceType") == Some("instance"));
    for tag in own.flat_map(|one| one.list("Tag")) {
        let key = tag.text("Key")?;
        check_key(key)?;
        plan = plan.tagged(key, tag.optional("Value").unwrap_or(""));
    }
    Ok(plan)
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
