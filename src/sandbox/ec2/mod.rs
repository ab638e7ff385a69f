//! EC2: instances, their states and their tags. `act` carries out a call; most operations have a
//! file of their own.

mod addresses;
mod describe;
pub(super) mod details;
mod filter;
pub(super) mod instance;
mod instance_ids;
pub(super) mod instances;
mod interface;
pub(super) mod launch;
mod launch_details;
pub(super) mod lifecycle;
mod markup;
mod page;
mod past;
mod plan;
pub(super) mod reason;
mod run;
mod start_and_terminate;
mod stop;
pub(super) mod tags;
mod token_buckets;

use super::answer::{Answer, Failure};
use super::wire::request::Request;
use super::world::World;

use instances::Instances;

/// The state of EC2.
#[derive(Debug, Default)]
pub(super) struct Ec2 {
    pub(super) instances: Instances,
}

/// Carries out a call.
pub(super) fn act(world: &mut World, request: &Request) -> Answer {
    token_buckets::take(world, request)?;
    match request.operation.as_str() {
        "RunInstances" => run::run(world, request),
        "DescribeInstances" => describe::instances(world, request),
        "DescribeTags" => tags::describe(world, request),
        "CreateTags" => tags::create(world, request),
        "DeleteTags" => tags::delete(world, request),
        "StopInstances" => stop::stop(world, request),
        "StartInstances" => start_and_terminate::start(world, request),
        "TerminateInstances" => start_and_terminate::terminate(world, request),
        "DescribeImages" => Ok(run::images()),
        _ => World::unknown(request),
    }
}

/// Ends a dry run, with the error by which EC2 says that the call would have been allowed.
fn unless_dry_run(request: &Request) -> Result<(), Failure> {
    if !request.parameters().flag("DryRun") {
        return Ok(());
    }
    let message = "Request would have succeeded, but DryRun flag is set.";
    Err(Failure::new(412, "DryRunOperation", message))
}
