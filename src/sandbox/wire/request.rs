//! Decodes an HTTP request into a call: service, operation, region and parameters.

use axum::body::Bytes;
use axum::http::{self, HeaderMap, header};
use serde_json::Value;

use super::parameters::Parameters;
use super::query;
use super::service::{Protocol, Service};
use crate::sandbox::answer::Failure;
use crate::sandbox::ec2::instances::InstanceName;

/// The header with the operation of a call in AWS JSON.
const TARGET: &str = "x-amz-target";
const TOKEN: &str = "x-amz-security-token";

/// A decoded call.
#[derive(Debug, Clone)]
pub(in crate::sandbox) struct Request {
    pub(in crate::sandbox) service: Service,
    pub(in crate::sandbox) operation: String,
    pub(in crate::sandbox) region: String,
    /// The access key that signed it.
    pub(in crate::sandbox) caller: String,
    /// The session token that belongs to the access key, if it is that of a role.
    pub(in crate::sandbox) token: Option<String>,
    /// The account with whose credentials it is signed, which the sandbox finds by the access key.
    pub(in crate::sandbox) account: String,
    /// The start of the URL that was called, such as `http://127.0.0.1:4566`. Queue URLs in answers
    /// begin with it.
    pub(in crate::sandbox) origin: String,
    pub(in crate::sandbox) body: Value,
}

impl Request {
    /// Decodes a request of any service. An error comes with the service in whose protocol it is to
    /// be answered.
    pub(in crate::sandbox) fn decode(
        http: &http::Request<Bytes>,
    ) -> Result<Self, (Service, Failure)> {
        let Some((service, region, caller)) = scope(http.headers()) else {
            let message = "Request is missing Authentication Token";
            return Err((Service::Ec2, Failure::new(403, "MissingAuthenticationToken", message)));
        };
        if service == Service::Sqs && !http.headers().contains_key(TARGET) {
            return Err(outdated_client());
        }
        let call = match service.protocol() {
            Protocol::Json { .. } => json_call(http),
            Protocol::Query { .. } | Protocol::Ec2 => query_call(http),
        };
        let (operation, body) = call.map_err(|failure| (service, failure))?;
        let (token, account) = (token(http.headers()), String::new());
        Ok(Self { service, operation, region, caller, token, account, origin: origin(http), body })
    }

    /// Names an instance of the call's account.
    pub(in crate::sandbox) fn instance<'a>(&'a self, id: &'a str) -> InstanceName<'a> {
        InstanceName { account: &self.account, id }
    }

    pub(in crate::sandbox) fn parameters(&self) -> Parameters<'_> {
        Parameters::new(&self.body)
    }
}

/// Refuses a client that sends forms to SQS, as all did before November 2023. It expects XML, such
/// as SNS answers with.
fn outdated_client() -> (Service, Failure) {
    let message = "The sandbox's SQS speaks AWS JSON alone: use version 2.13.34 of the AWS CLI or \
                   later, version 1.29.81 or later, or boto3 1.28.81 or later.";
    (Service::Sns, Failure::refused("UnsupportedProtocol", message))
}

/// Reads the service, the region and the access key of a signature, which has them as
/// `Credential=KEY/DATE/REGION/SERVICE/aws4_request`. The signature is not verified.
fn scope(headers: &HeaderMap) -> Option<(Service, String, String)> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let credential = authorization.split_once("Credential=")?.1;
    let mut parts = credential.split(',').next()?.split('/');
    let caller = parts.next()?.to_owned();
    let region = parts.nth(1)?.to_owned();
    Some((Service::named(parts.next()?)?, region, caller))
}

fn token(headers: &HeaderMap) -> Option<String> {
    headers.get(TOKEN)?.to_str().ok().map(str::to_owned)
}

/// Reads the operation from the header, such as `X-Amz-Target: AmazonSQS.ReceiveMessage`.
fn json_call(http: &http::Request<Bytes>) -> Result<(String, Value), Failure> {
    let target = http.headers().get(TARGET).and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.split_once('.')).map(|(_, name)| name);
    let Some(operation) = operation else {
        return Err(Failure::refused("UnknownOperationException", "no X-Amz-Target"));
    };
    let body = serde_json::from_slice(http.body());
    let body =
        body.map_err(|error| Failure::refused("SerializationException", error.to_string()))?;
    Ok((operation.to_owned(), body))
}

fn query_call(http: &http::Request<Bytes>) -> Result<(String, Value), Failure> {
    let form = match http.uri().query() {
        Some(query) if http.body().is_empty() => query.as_bytes(),
        _ => http.body(),
    };
    let body = query::unflatten(form);
    let operation = Parameters::new(&body).optional("Action").map(str::to_owned);
    let missing = || Failure::refused("MissingAction", "The request is missing an Action.");
    Ok((operation.ok_or_else(missing)?, body))
}

fn origin(http: &http::Request<Bytes>) -> String {
    let uri = http.uri();
    let host = http.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(http::uri::Authority::as_str).or(host).unwrap_or("localhost");
    format!("{}://{host}", uri.scheme_str().unwrap_or("http"))
}
