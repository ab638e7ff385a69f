//! `AssumeRole` in a sandbox with members: gives out the credentials of a member's role to the
//! sandbox's own account.

use std::time::Duration;

use serde_json::{Value, json};

use super::constraints::{check, invalid, is_account};
use crate::sandbox::accounts::session::Session;
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::dates::rfc3339;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::{World, partition};

/// How long the credentials of a role last if the call does not say.
const SESSION: Duration = Duration::from_hours(1);

/// Checks the parameters and the role's trust, and gives out credentials.
pub(super) fn assume(world: &mut World, request: &Request) -> Answer {
    let parameters = request.parameters();
    check(parameters)?;
    let arn = parameters.text("RoleArn")?;
    let role = Role::parse(arn, &request.region)?;
    let member = role.name.and_then(|name| {
        let member = world.accounts.members.get(role.account)?;
        member.lets_in(name, parameters.optional("ExternalId")).then_some(member)
    });
    // The roles trust the sandbox's own account alone, and not one another.
    let member = member.filter(|_| request.account == world.options.account);
    let member = member.cloned().ok_or_else(|| denied(world, request, arn))?;
    let lifetime = lifetime(world, request)?;
    let name = parameters.text("RoleSessionName")?;
    let (key, session) = Session::begin(world, &member, (name, lifetime));
    Ok(answer(world, request, (&key, &session)))
}

/// The role that an ARN names, which need not exist.
struct Role<'a> {
    account: &'a str,
    /// The name, without a path. None if the ARN is that of a user.
    name: Option<&'a str>,
}

impl<'a> Role<'a> {
    fn parse(arn: &'a str, region: &str) -> Result<Self, Failure> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", part, service, "", account, resource] = parts.as_slice() else {
            return Err(invalid(format!("{arn} is invalid")));
        };
        if part.is_empty() || service.is_empty() || resource.is_empty() || !is_account(account) {
            return Err(invalid(format!("{arn} is invalid")));
        }
        let name = resource.rsplit('/').next().filter(|_| resource.starts_with("role/"));
        let is_one = name.is_some() || resource.starts_with("user/");
        if *service != "iam" || *part != partition(region) || !is_one {
            return Err(invalid("Request ARN is invalid"));
        }
        Ok(Self { account, name })
    }
}

/// As long as the call asks for, or less with `Options::session_lifetime`.
fn lifetime(world: &World, request: &Request) -> Result<Duration, Failure> {
    let asked = request.parameters().number("DurationSeconds")?;
    let asked = asked.and_then(|secs| secs.try_into().ok()).map_or(SESSION, Duration::from_secs);
    Ok(world.options.session_lifetime.map_or(asked, |most| most.min(asked)))
}

fn answer(world: &mut World, request: &Request, (key, session): (&str, &Session)) -> Value {
    json!({
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": world.ids.letters(40),
            "SessionToken": session.token,
            "Expiration": rfc3339(world.clock().wall(session.expires)),
        },
        "AssumedRoleUser": {
            "Arn": session.arn(&request.region),
            "AssumedRoleId": session.user_id(),
        },
    })
}

/// Whether a role is missing, trusts somebody else or asks for another external id, AWS does not
/// tell.
fn denied(world: &World, request: &Request, arn: &str) -> Failure {
    let caller = world.caller(request);
    let message =
        format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}");
    Failure::new(403, "AccessDenied", message)
}
