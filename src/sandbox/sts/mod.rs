//! STS: `GetCallerIdentity` and `AssumeRole`.

mod assume;
mod constraints;
mod single;

use serde_json::{Value, json};

use super::answer::Answer;
use super::wire::request::Request;
use super::world::World;

/// Carries out a call.
pub(super) fn act(world: &mut World, request: &Request) -> Answer {
    match request.operation.as_str() {
        "GetCallerIdentity" => Ok(identity(world, request)),
        "AssumeRole" if world.accounts.is_single() => single::assume(world, request),
        "AssumeRole" => assume::assume(world, request),
        _ => World::unknown(request),
    }
}

fn identity(world: &World, request: &Request) -> Value {
    if let Some(session) = world.accounts.session(request) {
        return json!({
            "Account": session.account,
            "Arn": session.arn(&request.region),
            "UserId": session.user_id(),
        });
    }
    let assumed = single::identity(&request.caller).filter(|_| world.accounts.is_single());
    assumed.unwrap_or_else(|| {
        json!({
            "Account": world.options.account,
            "Arn": world.caller(request),
            "UserId": "AROASANDBOXSANDBOX000:session",
        })
    })
}
