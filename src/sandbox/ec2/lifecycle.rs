//! The states of an instance one after the other, and the events that they send.

use super::instance::State;
use crate::sandbox::events;
use crate::sandbox::schedule::Due;
use crate::sandbox::world::World;

/// Puts an instance into a state, says so to `EventBridge`, and plans what follows.
pub(in crate::sandbox) fn enter(world: &mut World, id: &str, state: State) {
    let Some(instance) = world.ec2.instances.get_mut(id) else { return };
    instance.state = state;
    if !instance.quiet {
        let region = instance.region.clone();
        let event = events::event::state_change(world, id, &region, state.name());
        events::route(world, &event);
    }
    let (delay, to) = match state {
        State::Pending => (world.options.pending, State::Running),
        State::Stopping => (world.options.stopping, State::Stopped),
        State::ShuttingDown => (world.options.shutting_down, State::Terminated),
        State::Running | State::Stopped | State::Terminated => return,
    };
    let due = Due::State { id: id.to_owned(), from: state, to };
    world.schedule.plan(world.now() + delay, due);
}

/// Ends a state whose time is over, unless the instance has left it already.
pub(in crate::sandbox) fn arrive(world: &mut World, id: &str, from: State, to: State) {
    let state = world.ec2.instances.get(id).map(|instance| instance.state);
    if state == Some(from) {
        enter(world, id, to);
    }
}

/// Starts it if it is stopped.
pub(in crate::sandbox) fn start(world: &mut World, id: &str) {
    turn(world, id, State::Pending, |state| state == State::Stopped);
}

/// Stops it if it is on its way up or running.
pub(in crate::sandbox) fn stop(world: &mut World, id: &str) {
    turn(world, id, State::Stopping, |state| matches!(state, State::Pending | State::Running));
}

/// Terminates it, unless it is gone already.
pub(in crate::sandbox) fn terminate(world: &mut World, id: &str) {
    turn(world, id, State::ShuttingDown, |state| !state.is_gone());
}

fn turn(world: &mut World, id: &str, to: State, from: impl Fn(State) -> bool) {
    if world.ec2.instances.get(id).is_some_and(|instance| from(instance.state)) {
        enter(world, id, to);
    }
}
