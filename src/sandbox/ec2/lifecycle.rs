//! How an instance goes from one state to the next, and sends an event for each.

use super::instance::State;
use super::instances::InstanceName;
use super::reason::Reason;
use crate::sandbox::events;
use crate::sandbox::schedule::{Planned, Transition};
use crate::sandbox::world::World;

/// Puts an instance into a state, sends the event, and plans the transition that follows.
pub(in crate::sandbox) fn enter(
    world: &mut World,
    name: InstanceName<'_>,
    state: State,
    reason: Reason,
) {
    let now = world.now();
    let Some(instance) = world.ec2.instances.get_mut(name) else { return };
    instance.enter(state, reason, now);
    if !instance.quiet {
        let region = instance.region.clone();
        let event = events::event::state_change(world, name, &region, state.name());
        events::route(world, &event);
    }
    let (delay, to) = match state {
        State::Pending => (world.options.pending, State::Running),
        State::Stopping => (world.options.stopping, State::Stopped),
        State::ShuttingDown => (world.options.shutting_down, State::Terminated),
        State::Running | State::Stopped | State::Terminated => return,
    };
    let (account, id) = (name.account.to_owned(), name.id.to_owned());
    let transition = Transition { account, id, from: state, to };
    world.schedule.plan(world.now() + delay, Planned::Transition(transition));
}

/// Carries out a planned transition, unless the instance has left the first state already.
pub(in crate::sandbox) fn carry_out(world: &mut World, transition: &Transition) {
    let Transition { account, id, from, to } = transition;
    let name = InstanceName { account, id };
    let instance = world.ec2.instances.get(name).filter(|instance| instance.state == *from);
    if let Some(reason) = instance.map(|instance| instance.reason) {
        enter(world, name, *to, reason);
    }
}

/// Starts an instance if it is stopped. From then on its launch time is that of this start.
pub(in crate::sandbox) fn start(world: &mut World, name: InstanceName<'_>) {
    let (now, wall) = (world.now(), world.wall_clock());
    let instance = world.ec2.instances.get_mut(name);
    if let Some(instance) = instance.filter(|instance| instance.state == State::Stopped) {
        instance.change_details(now, |details| details.launched = wall);
        enter(world, name, State::Pending, Reason::Started);
    }
}

/// Stops an instance by somebody's call, if it is pending or running.
pub(in crate::sandbox) fn stop(world: &mut World, name: InstanceName<'_>) {
    let reason = Reason::User(world.wall_clock());
    enter_if(world, name, (State::Stopping, reason), is_up);
}

/// Shuts an instance down from its operating system, if it is pending or running.
pub(in crate::sandbox) fn shut_down(world: &mut World, name: InstanceName<'_>) {
    enter_if(world, name, (State::Stopping, Reason::Inside), is_up);
}

/// Terminates an instance, unless it is terminated or shutting down.
pub(in crate::sandbox) fn terminate(world: &mut World, name: InstanceName<'_>) {
    let reason = Reason::User(world.wall_clock());
    enter_if(world, name, (State::ShuttingDown, reason), |state| !state.is_gone());
}

fn is_up(state: State) -> bool {
    matches!(state, State::Pending | State::Running)
}

fn enter_if(
    world: &mut World,
    name: InstanceName<'_>,
    (to, reason): (State, Reason),
    from: impl Fn(State) -> bool,
) {
    if world.ec2.instances.get(name).is_some_and(|instance| from(instance.state)) {
        enter(world, name, to, reason);
    }
}
