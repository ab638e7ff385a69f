//! Which calls are answered at all: those with credentials that are known and have not expired, in a
//! region that their account is opted in to, upon resources of their own account.

use crate::sandbox::answer::Failure;
use crate::sandbox::wire::request::Request;
use crate::sandbox::wire::service::Service;
use crate::sandbox::world::{World, arn};

/// Refuses a call as its service does if its credentials are not valid, or if it is about resources
/// of the sandbox's own account and signed with the credentials of another.
pub(in crate::sandbox) fn admit(world: &World, request: &Request) -> Result<(), Failure> {
    let accounts = &world.accounts;
    if accounts.is_opted_out(request) {
        return Err(invalid(request.service));
    }
    if !accounts.is_of_a_role(request) {
        return Ok(());
    }
    let session = accounts.session(request).ok_or_else(|| invalid(request.service))?;
    if session.expires <= world.now() {
        return Err(expired(request.service));
    }
    match request.service {
        Service::Ec2 | Service::Sts => Ok(()),
        Service::Sqs | Service::Sns | Service::Events => Err(foreign(world, request)),
    }
}

/// Denies a call upon a resource that belongs to another account, whose policy does not allow it.
pub(in crate::sandbox) fn denied(world: &World, request: &Request, resource: &str) -> Failure {
    let (status, code, action) = match request.service {
        Service::Sqs => (403, "AccessDenied", request.operation.to_lowercase()),
        Service::Sns => (403, "AuthorizationError", request.operation.clone()),
        _ => (400, "AccessDeniedException", request.operation.clone()),
    };
    let prefix = if request.service == Service::Sns { "SNS" } else { request.service.name() };
    let message = format!(
        "User: {} is not authorized to perform: {prefix}:{action} on resource: {resource} because \
         no resource-based policy allows the {prefix}:{action} action",
        world.caller(request),
    );
    Failure::new(status, code, message)
}

/// Denies a call of a member to a service in which only the sandbox's own account has resources.
fn foreign(world: &World, request: &Request) -> Failure {
    let parameters = request.parameters();
    let queue = parameters.optional("QueueUrl").map(|url| {
        let mut parts = url.rsplit('/');
        let (name, account) = (parts.next().unwrap_or("*"), parts.next().unwrap_or_default());
        arn(account, "sqs", &request.region, name)
    });
    let topic = parameters.optional("TopicArn").map(str::to_owned);
    denied(world, request, &queue.or(topic).unwrap_or_else(|| "*".to_owned()))
}

/// The error for credentials that AWS does not know, or not in this region.
fn invalid(service: Service) -> Failure {
    let message = "The security token included in the request is invalid.";
    match service {
        Service::Ec2 => {
            let message = "AWS was not able to validate the provided access credentials";
            Failure::new(401, "AuthFailure", message)
        }
        Service::Events => Failure::refused("UnrecognizedClientException", message),
        Service::Sqs | Service::Sns | Service::Sts => {
            Failure::new(403, "InvalidClientTokenId", message)
        }
    }
}

fn expired(service: Service) -> Failure {
    let message = "The security token included in the request is expired";
    match service {
        Service::Ec2 => Failure::refused("RequestExpired", "Request has expired."),
        Service::Events => Failure::refused("ExpiredTokenException", message),
        Service::Sqs | Service::Sns | Service::Sts => Failure::new(403, "ExpiredToken", message),
    }
}
