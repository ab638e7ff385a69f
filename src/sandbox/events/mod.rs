//! `EventBridge`: rules that send the events which match their patterns to queues.

pub(super) mod event;
pub(super) mod pattern;
mod put;
pub(super) mod rule;
pub(super) mod tag_change;

use super::answer::Answer;
use super::sqs;
use super::wire::request::Request;
use super::world::World;

use event::Event;
use rule::EventRule;

/// Carries out a call.
pub(super) fn act(world: &mut World, request: &Request) -> Answer {
    match request.operation.as_str() {
        "PutRule" => rule::put(world, request),
        "ListRules" => Ok(rule::list(world, request)),
        "DeleteRule" => rule::delete(world, request),
        "PutTargets" => rule::put_targets(world, request),
        "RemoveTargets" => rule::remove_targets(world, request),
        "TestEventPattern" => pattern::test(request),
        "PutEvents" => put::put_events(world, request),
        _ => World::unknown(request),
    }
}

/// Sends an event to the targets of every rule that it matches.
pub(super) fn route(world: &mut World, event: &Event) {
    let matching = matching(world, event).into_iter();
    let targets: Vec<String> = matching.flat_map(|rule| rule.targets.values().cloned()).collect();
    for target in targets {
        sqs::send::deliver(world, &target, event.body());
    }
}

/// The rules that an event matches.
fn matching<'w>(world: &'w World, event: &Event) -> Vec<&'w EventRule> {
    let fields = event.fields();
    let matches = |rule: &&EventRule| {
        let is_own = event.account == world.options.account;
        let in_scope = rule.region.as_ref().is_none_or(|region| is_own && *region == event.region);
        in_scope && pattern::matches(&rule.pattern, &fields)
    };
    world.rules.values().filter(matches).collect()
}
