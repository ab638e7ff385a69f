//! EC2: instances, their states and their tags.

mod buckets;
mod change;
mod describe;
mod filter;
pub(super) mod instance;
pub(super) mod launch;
pub(super) mod lifecycle;
mod named;
mod page;
mod run;
mod stop;
pub(super) mod tags;

use std::collections::BTreeMap;

use super::answer::{Answer, Failure};
use super::wire::request::Request;
use super::world::World;

use buckets::Buckets;
use instance::Instance;

/// Everything that EC2 keeps.
#[derive(Debug, Default)]
pub(super) struct Ec2 {
    /// By id; ids are unique over all regions.
    pub(super) instances: BTreeMap<String, Instance>,
    buckets: Buckets,
}

pub(super) fn act(world: &mut World, request: &Request) -> Answer {
    buckets::take(world, request)?;
    match request.operation.as_str() {
        "RunInstances" => run::run(world, request),
        "DescribeInstances" => describe::instances(world, request),
        "DescribeTags" => tags::describe(world, request),
        "CreateTags" => tags::create(world, request),
        "DeleteTags" => tags::delete(world, request),
        "StopInstances" => stop::stop(world, request),
        "StartInstances" => change::start(world, request),
        "TerminateInstances" => change::terminate(world, request),
        "DescribeImages" => Ok(run::images()),
        _ => World::unknown(request),
    }
}

/// Ends a dry run, once it is known that the call was allowed.
fn unless_dry_run(request: &Request) -> Result<(), Failure> {
    if !request.parameters().flag("DryRun") {
        return Ok(());
    }
    let message = "Request would have succeeded, but DryRun flag is set.";
    Err(Failure::new(412, "DryRunOperation", message))
}
