//! The HTTP server, over real sockets.

use std::time::Duration;

use aws_sdk_sqs::error::SdkError;
use axum::body::Bytes;
use axum::http::Request;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::world;
use crate::aws;
use crate::sandbox::{Fault, Rule, Sandbox};

/// Serves the sandbox on a loopback port, and returns a client of it and the token that ends it.
async fn serve(sandbox: &Sandbox) -> (aws_sdk_sqs::Client, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let (served, stopped) = (sandbox.clone(), stop.clone());
    tokio::spawn(async move { served.serve(listener, stopped).await });
    let config = sandbox.sdk_config().into_builder();
    let config = config.endpoint_url(origin).http_client(aws::sdk::http_client());
    (aws_sdk_sqs::Client::new(&config.build()), stop)
}

#[tokio::test]
async fn an_open_long_poll_does_not_hold_up_the_end() {
    let world = world();
    let (sqs, stop) = serve(&world.sandbox).await;
    let poll = sqs.receive_message().queue_url(&world.made.queue_url).wait_time_seconds(20).send();
    let poll = tokio::spawn(poll);
    let polls = |sandbox: &Sandbox| !sandbox.calls("ReceiveMessage").is_empty();
    world.sandbox.until("the poll has arrived", polls).await;
    let start = Instant::now();
    stop.cancel();
    assert!(poll.await.unwrap().is_err());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_cut_breaks_the_connection_before_any_answer() {
    let world = world();
    let (sqs, _stop) = serve(&world.sandbox).await;
    world.sandbox.inject(Rule::on("SendMessage").fault(Fault::CutAfter));
    let send = sqs.send_message().queue_url(&world.made.queue_url).message_body("hi").send();
    let error = timeout(Duration::from_secs(10), send).await.unwrap().unwrap_err();
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
    assert_eq!(world.sandbox.messages().len(), 1);
}

#[tokio::test]
async fn a_client_that_sends_forms_to_sqs_is_told_which_versions_do_not() {
    let scope = "AWS4-HMAC-SHA256 Credential=test/20231107/us-east-1/sqs/aws4_request, Signature=0";
    let request = Request::post("http://localhost/").header("authorization", scope);
    let request = request.body(Bytes::from_static(b"Action=ListQueues&Version=2012-11-05"));
    let answer = world().sandbox.respond(request.unwrap()).await.unwrap();
    let body = String::from_utf8(answer.body().to_vec()).unwrap();
    assert_eq!(answer.status(), 400);
    assert!(body.starts_with("<ErrorResponse") && body.contains("version 2.13.34"), "{body}");
}

#[tokio::test]
async fn the_url_of_a_queue_names_the_host_that_was_asked() {
    let world = world();
    let (sqs, _stop) = serve(&world.sandbox).await;
    let url = sqs.get_queue_url().queue_name(&world.made.queue_name).send().await.unwrap();
    assert!(url.queue_url().unwrap().starts_with("http://127.0.0.1:"));
}
