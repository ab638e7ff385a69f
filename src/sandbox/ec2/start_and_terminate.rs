//! `StartInstances` and `TerminateInstances`.

use super::instance::State;
use super::stop::changes;
use super::{instance_ids, lifecycle, unless_dry_run};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// Starts all instances of the call or, if one of them cannot be started, none. One that runs already
/// goes on, and its previous state says so.
pub(super) fn start(world: &mut World, request: &Request) -> Answer {
    let ids = instance_ids::required(world, request)?;
    unless_dry_run(request)?;
    for id in &ids {
        let state = instance_ids::find(world, request, id).map(|instance| instance.state);
        if state.is_some_and(|state| state.is_gone() || state == State::Stopping) {
            let message =
                format!("The instance '{id}' is not in a state from which it can be started.");
            return Err(Failure::refused("IncorrectInstanceState", message));
        }
    }
    Ok(changes(world, request, &ids, lifecycle::start))
}

pub(super) fn terminate(world: &mut World, request: &Request) -> Answer {
    let ids = instance_ids::required(world, request)?;
    unless_dry_run(request)?;
    Ok(changes(world, request, &ids, lifecycle::terminate))
}
