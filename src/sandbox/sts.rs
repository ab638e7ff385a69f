//! STS: `GetCallerIdentity` and `AssumeRole`.

use std::time::Duration;

use serde_json::json;

use super::answer::{Answer, Failure};
use super::dates::rfc3339;
use super::wire::request::Request;
use super::world::World;

/// How the access keys of roles begin; the account of the role follows.
const ROLE_KEY: &str = "ASIA";
/// How long the credentials of a role last.
const SESSION: Duration = Duration::from_hours(1);

/// Carries out a call.
pub(super) fn act(world: &mut World, request: &Request) -> Answer {
    match request.operation.as_str() {
        "GetCallerIdentity" => Ok(match assumed_account(&request.caller) {
            None => json!({
                "Account": world.options.account,
                "Arn": world.caller(),
                "UserId": "AROASANDBOXSANDBOX000:session",
            }),
            Some(account) => json!({
                "Account": account,
                "Arn": format!("arn:aws:sts::{account}:assumed-role/role/session"),
                "UserId": "AROASANDBOXSANDBOX001:session",
            }),
        }),
        "AssumeRole" => assume(world, request),
        _ => World::unknown(request),
    }
}

/// Gives out credentials of the role's account. Every role may be assumed.
fn assume(world: &World, request: &Request) -> Answer {
    let (arn, session) =
        (request.parameters().text("RoleArn")?, request.parameters().text("RoleSessionName")?);
    let account = arn
        .split(':')
        .nth(4)
        .filter(|account| is_account(account))
        .ok_or_else(|| Failure::refused("ValidationError", format!("{arn} is invalid")))?;
    Ok(json!({
        "Credentials": {
            "AccessKeyId": format!("{ROLE_KEY}{account}"),
            "SecretAccessKey": "sandbox",
            "SessionToken": "sandbox",
            "Expiration": rfc3339(world.wall_clock() + SESSION),
        },
        "AssumedRoleUser": { "Arn": arn, "AssumedRoleId": format!("AROASANDBOX:{session}") },
    }))
}

/// The account of the role whose access key this is.
fn assumed_account(key: &str) -> Option<&str> {
    key.strip_prefix(ROLE_KEY).filter(|account| is_account(account))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
