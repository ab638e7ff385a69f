//! STS: `GetCallerIdentity`.

use serde_json::json;

use super::answer::Answer;
use super::wire::request::Request;
use super::world::World;

/// Carries out a call.
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
