//! Where SQS is called: the host of `SQS_QUEUE_URL`, unless an endpoint is set for SQS alone.

use std::fs;

use ec2_policy_enforcer::sandbox::{Launch, Service};
use serde_json::Value;
use tokio::process::Command;

use crate::program::{Served, call, lines, program, serve, terminate};

/// Another name of the sandbox's host, as an emulator or a VPC endpoint has.
fn other_host(served: &Served) -> String {
    served.origin.replace("127.0.0.1", "localhost")
}

/// Lets the program settle an event, and returns what it logged of the queue.
async fn reached(served: &Served, program: &mut Command) -> Value {
    served.aws.launch(Launch::default());
    let child = program.spawn().unwrap();
    served.aws.until("its start is settled", |aws| aws.messages().is_empty()).await;
    terminate(&child);
    let lines = lines(&child.wait_with_output().await.unwrap());
    lines.into_iter().find(|line| line["message"] == "the queue is reached").unwrap()
}

/// Expects that SQS was called at this origin alone, and the other services at the sandbox's own.
fn assert_called_at(served: &Served, origin: &str) {
    for call in served.aws.ledger() {
        let expected = if call.service == Service::Sqs { origin } else { &served.origin };
        assert_eq!(call.origin, expected, "{}", call.operation);
    }
}

#[tokio::test]
async fn the_host_in_the_queue_s_url_is_called_and_logged() {
    let served = serve().await;
    let host = other_host(&served);
    let url = served.resources.queue_url_at(&host);
    let line = reached(&served, program(&served).env("SQS_QUEUE_URL", url)).await;
    assert_called_at(&served, &host);
    assert_eq!(line["queue.endpoint"], *host);
}

#[tokio::test]
async fn an_endpoint_for_sqs_alone_comes_before_the_host_in_the_queue_s_url() {
    for general in [true, false] {
        let served = serve().await;
        let mut program = program(&served);
        // The same as for all services, or one of its own.
        let endpoint = if general { served.origin.clone() } else { other_host(&served) };
        let url = served.resources.queue_url_at("http://nowhere.invalid");
        program.env("SQS_QUEUE_URL", url).env("AWS_ENDPOINT_URL_SQS", &endpoint);
        let line = reached(&served, &mut program).await;
        assert_called_at(&served, &endpoint);
        assert_eq!(line["queue.endpoint"], *endpoint);
    }
}

#[tokio::test]
async fn an_endpoint_for_sqs_in_the_profile_comes_before_the_host_too() {
    let served = serve().await;
    let (host, origin) = (other_host(&served), &served.origin);
    let file = std::env::temp_dir().join(format!("endpoints-{}", std::process::id()));
    let text = format!(
        "[default]\nendpoint_url = {origin}\nservices = local\n\
         [services local]\nsqs =\n  endpoint_url = {host}\n"
    );
    fs::write(&file, text).unwrap();
    let mut program = program(&served);
    program.env_remove("AWS_ENDPOINT_URL").env("AWS_CONFIG_FILE", &file);
    program.env("SQS_QUEUE_URL", served.resources.queue_url_at("http://nowhere.invalid"));
    reached(&served, &mut program).await;
    assert_called_at(&served, &host);
    fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn the_host_that_a_region_s_queues_have_is_no_reason_to_leave_the_endpoint_of_all() {
    let served = serve().await;
    let url = served.resources.queue_url_at("https://sqs.us-east-1.amazonaws.com");
    let line = reached(&served, program(&served).env("SQS_QUEUE_URL", &url)).await;
    assert_called_at(&served, &served.origin);
    assert_eq!(line["queue.endpoint"], *served.origin);
    let checked = call(&served, "check").env("SQS_QUEUE_URL", url).output().await.unwrap();
    let shown = String::from_utf8(checked.stdout).unwrap();
    assert!(shown.contains(&format!("called at {}", served.origin)), "{shown}");
}
