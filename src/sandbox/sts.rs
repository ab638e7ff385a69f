//! STS: who is calling.

use serde_json::json;

use super::answer::Answer;
use super::wire::request::Request;
use super::world::World;

pub(super) fn act(world: &mut World, request: &Request) -> Answer {
    match request.operation.as_str() {
        "GetCallerIdentity" => Ok(json!({
            "Account": world.options.account,
            "Arn": world.caller(),
            "UserId": "AROASANDBOXSANDBOX000:session",
        })),
        _ => World::unknown(request),
    }
}
