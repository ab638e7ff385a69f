//! EC2's token buckets ("Request throttling for the Amazon EC2 API").

use crate::sandbox::answer::Failure;
use crate::sandbox::token_buckets::{self, Bucket};
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

const DESCRIBE: Bucket = ("describe", 100.0, 20.0);
const STOP_REQUESTS: Bucket = ("stop requests", 50.0, 5.0);
const STOP_INSTANCES: Bucket = ("stop instances", 1000.0, 20.0);
const START_REQUESTS: Bucket = ("start requests", 5.0, 2.0);
const START_INSTANCES: Bucket = ("start instances", 1000.0, 2.0);
const CREATE_TAGS: Bucket = ("create tags", 100.0, 10.0);
const DELETE_TAGS: Bucket = ("delete tags", 100.0, 10.0);

/// Takes the tokens that a call costs, or refuses the call with `RequestLimitExceeded`.
pub(super) fn take(world: &mut World, request: &Request) -> Result<(), Failure> {
    let ids = request.parameters().texts("InstanceId").len();
    let instances = f64::from(u32::try_from(ids).unwrap_or(u32::MAX));
    let costs = match request.operation.as_str() {
        "DescribeTags" | "DescribeInstances" => vec![(DESCRIBE, 1.0)],
        "StopInstances" => vec![(STOP_REQUESTS, 1.0), (STOP_INSTANCES, instances)],
        "StartInstances" => vec![(START_REQUESTS, 1.0), (START_INSTANCES, instances)],
        "CreateTags" => vec![(CREATE_TAGS, 1.0)],
        "DeleteTags" => vec![(DELETE_TAGS, 1.0)],
        _ => return Ok(()),
    };
    if token_buckets::take(world, request, &costs) {
        return Ok(());
    }
    Err(Failure::new(503, "RequestLimitExceeded", "Request limit exceeded."))
}
