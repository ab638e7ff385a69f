//! The instance metadata service: the id of the daemon's own host, hosts without the service, and
//! the credentials that the SDK finds there and on ECS.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use axum::Router;
use axum::routing::{get, put};
use ec2_policy_enforcer::sandbox::{Launch, Sandbox};
use serde_json::Value;
use tokio::process::Command;

use crate::program::{Served, free_address, lines, program, serve, terminate};
use crate::world::World;

const HOST: &str = "i-0123456789abcdef0";
const ROLE_KEY: &str = "ROLE";
/// How long the start may wait for the service.
const LIMIT: Duration = Duration::from_secs(2);

/// An HTTP client that never answers requests to the metadata service.
#[derive(Debug, Clone)]
struct Silent(SharedHttpConnector);

impl HttpConnector for Silent {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.uri().starts_with("http://169.254.169.254/") {
            return HttpConnectorFuture::new(std::future::pending());
        }
        self.0.call(request)
    }
}

fn silent(sdk: SdkConfig) -> SdkConfig {
    let inner = sdk.http_client().unwrap();
    let client = http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Silent(inner.http_connector(settings, components)))
    });
    sdk.into_builder().http_client(client).build()
}

/// The time between the last call of the start and the first poll.
fn hesitation(aws: &Sandbox) -> Duration {
    let [asked, polled] = ["GetCallerIdentity", "ReceiveMessage"].map(|call| aws.calls(call)[0].at);
    polled - asked
}

#[tokio::test(start_paused = true)]
async fn the_start_waits_2_s_for_a_metadata_service_that_is_silent_and_not_for_one_that_is_absent()
{
    for (world, secs) in [(World::new(), 0), (World::new().with_sdk(silent), 2)] {
        let world = world.started();
        let id = world.violator();
        world.all_settled().await;
        assert_eq!(hesitation(&world.aws), Duration::from_secs(secs));
        assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
    }
}

/// The program on a machine with a metadata service at this address.
fn on_a_machine(served: &Served, service: SocketAddr) -> Command {
    let mut program = program(served);
    program
        .env_remove("AWS_EC2_METADATA_DISABLED")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{service}"));
    program
}

/// The `own_host` that the program logs. Waits until it has settled the event of that host.
async fn own_host(served: &Served, program: &mut Command) -> Value {
    served.aws.launch(Launch::default().id(HOST));
    let child = program.spawn().unwrap();
    served.aws.until("its start is settled", |aws| aws.messages().is_empty()).await;
    terminate(&child);
    let lines = lines(&child.wait_with_output().await.unwrap());
    let reached = lines.iter().find(|line| line["message"] == "the queue is reached").unwrap();
    reached["own_host"].clone()
}

/// Expects the program to sign its calls with credentials of a service whose address it has only
/// from the variable that `place` returns.
async fn credentials_of(answers: Router, place: impl Fn(SocketAddr) -> (&'static str, String)) {
    let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (name, value) = place(service.local_addr().unwrap());
    tokio::spawn(axum::serve(service, answers).into_future());
    let served = serve().await;
    served.aws.launch(Launch::default());
    let mut program = program(&served);
    for absent in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"] {
        program.env_remove(absent);
    }
    // Through the proxy, which here is the sandbox, there are no credentials.
    program.env("HTTP_PROXY", &served.origin);
    let child = program.env(name, value).spawn().unwrap();
    served.aws.until("its start is settled", |aws| aws.messages().is_empty()).await;
    terminate(&child);
    child.wait_with_output().await.unwrap();
    assert_eq!(served.aws.calls("StopInstances")[0].caller, ROLE_KEY);
}

fn role_credentials() -> String {
    let fields =
        [("Code", "Success"), ("Type", "AWS-HMAC"), ("LastUpdated", "2026-01-01T00:00:00Z")];
    let secrets = [("AccessKeyId", ROLE_KEY), ("SecretAccessKey", "secret"), ("Token", "token")];
    let expiry = [("Expiration", "2099-01-01T00:00:00Z")];
    let fields = fields.into_iter().chain(secrets).chain(expiry);
    serde_json::to_string(&fields.collect::<BTreeMap<_, _>>()).unwrap()
}

#[tokio::test]
async fn the_program_has_the_credentials_of_its_host_s_role() {
    let token = ([("x-aws-ec2-metadata-token-ttl-seconds", "21600")], "token");
    let list = "/latest/meta-data/iam/security-credentials/";
    let answers = Router::new()
        .route("/latest/api/token", put(async move || token))
        .route(list, get(async || "role"))
        .route(&format!("{list}role"), get(async || role_credentials()));
    let place = |address| ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{address}"));
    credentials_of(answers, place).await;
}

#[tokio::test]
async fn the_program_has_the_credentials_of_its_task_s_role() {
    let answers = Router::new().route("/role", get(async || role_credentials()));
    let place = |address| ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/role"));
    credentials_of(answers, place).await;
}

#[tokio::test]
async fn the_program_does_not_stop_the_host_that_the_metadata_service_names() {
    let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = service.local_addr().unwrap();
    let token = ([("x-aws-ec2-metadata-token-ttl-seconds", "21600")], "token");
    let answers = Router::new()
        .route("/latest/api/token", put(async move || token))
        .route("/latest/meta-data/instance-id", get(async || HOST));
    tokio::spawn(axum::serve(service, answers).into_future());
    let served = serve().await;
    let mut program = on_a_machine(&served, address);
    // Through the proxy, which here is the sandbox, there is no metadata.
    program.env("HTTP_PROXY", &served.origin);
    assert_eq!(own_host(&served, &mut program).await, HOST);
    assert_eq!(served.aws.notices()[0].message, format!("EC2 {HOST} NOT stopped: own host"));
    assert!(served.aws.calls("StopInstances").is_empty());
}

#[tokio::test]
async fn the_program_starts_where_the_metadata_service_refuses_connections() {
    let served = serve().await;
    let closed = free_address().await;
    assert_eq!(own_host(&served, &mut on_a_machine(&served, closed)).await, Value::Null);
    assert_eq!(served.aws.notices()[0].message, format!("EC2 {HOST} Stopped"));
}

#[tokio::test]
async fn the_program_starts_where_the_metadata_service_never_answers() {
    let served = serve().await;
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = service.local_addr().unwrap();
    assert_eq!(own_host(&served, &mut on_a_machine(&served, address)).await, Value::Null);
    assert!(is_asked(&service));
    // Several times the limit, since the machine may be busy.
    assert!((LIMIT..5 * LIMIT).contains(&hesitation(&served.aws)));
}

#[tokio::test]
async fn the_metadata_service_is_not_asked_where_that_is_forbidden() {
    let served = serve().await;
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = on_a_machine(&served, service.local_addr().unwrap());
    program.env("AWS_EC2_METADATA_DISABLED", "true");
    assert_eq!(own_host(&served, &mut program).await, Value::Null);
    assert!(!is_asked(&service));
}

/// Whether a client has connected.
fn is_asked(service: &TcpListener) -> bool {
    service.set_nonblocking(true).unwrap();
    service.accept().is_ok()
}
