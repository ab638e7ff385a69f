//! `AssumeRole` in a sandbox with one account: every role of every account may be assumed. Its
//! credentials act upon the one account that there is, and only `GetCallerIdentity` tells the role's.

use std::time::Duration;

use serde_json::{Value, json};

use super::constraints::is_account;
use crate::sandbox::accounts::session::ROLE_KEY;
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::dates::rfc3339;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// How long the credentials of a role last.
const SESSION: Duration = Duration::from_hours(1);

/// Gives out credentials, whose access key names the role's account.
pub(super) fn assume(world: &World, request: &Request) -> Answer {
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

/// The identity of the role whose access key this is.
pub(super) fn identity(key: &str) -> Option<Value> {
    let account = key.strip_prefix(ROLE_KEY).filter(|account| is_account(account))?;
    Some(json!({
        "Account": account,
        "Arn": format!("arn:aws:sts::{account}:assumed-role/role/session"),
        "UserId": "AROASANDBOXSANDBOX001:session",
    }))
}
