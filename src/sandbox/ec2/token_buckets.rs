//! EC2's token buckets, which limit the rate of calls in each region.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::sandbox::answer::Failure;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// The buckets that EC2 documents: what each counts, how many tokens it holds, and how many it gets
/// back in a second.
const DESCRIBE: (&str, f64, f64) = ("describe", 100.0, 20.0);
const STOP_REQUESTS: (&str, f64, f64) = ("stop requests", 50.0, 5.0);
const STOP_INSTANCES: (&str, f64, f64) = ("stop instances", 1000.0, 20.0);

/// The tokens in each bucket, by region and name, and when they were counted.
#[derive(Debug, Default)]
pub(super) struct Buckets(BTreeMap<(String, &'static str), (f64, Instant)>);

/// Takes the tokens that a call costs, or refuses the call with `RequestLimitExceeded`.
pub(super) fn take(world: &mut World, request: &Request) -> Result<(), Failure> {
    if !world.options.token_buckets {
        return Ok(());
    }
    let now = world.now();
    let ids = request.parameters().texts("InstanceId").len();
    let instances = f64::from(u32::try_from(ids).unwrap_or(u32::MAX));
    let costs = match request.operation.as_str() {
        "DescribeTags" | "DescribeInstances" => vec![(DESCRIBE, 1.0)],
        "StopInstances" => vec![(STOP_REQUESTS, 1.0), (STOP_INSTANCES, instances)],
        _ => return Ok(()),
    };
    let buckets = &mut world.ec2.buckets.0;
    for ((name, burst, rate), cost) in costs {
        let bucket = buckets.entry((request.region.clone(), name)).or_insert((burst, now));
        let refilled = now.saturating_duration_since(bucket.1).as_secs_f64() * rate;
        *bucket = ((bucket.0 + refilled).min(burst), now);
        if bucket.0 < cost {
            return Err(Failure::new(503, "RequestLimitExceeded", "Request limit exceeded."));
        }
        bucket.0 -= cost;
    }
    Ok(())
}
