//! Credentials that AWS refuses are loaded anew.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};
use tokio::process::Command;

use crate::program::{Served, program, serve, terminate};

fn without_keys(served: &Served) -> Command {
    let mut program = program(served);
    program.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    program
}

/// Lets the program work with the key `OLD`, has AWS refuse that from then on, has `replaced`
/// called, and expects the program to work with the key `NEW`.
async fn recovers(served: &Served, mut program: Command, replaced: impl FnOnce()) {
    served.aws.launch(Launch::default());
    let child = program.spawn().unwrap();
    served.aws.until("the first is settled", |aws| aws.messages().is_empty()).await;
    assert_eq!(served.aws.calls("StopInstances")[0].caller, "OLD");
    let refused = Rule::on("*").caller("OLD").fault(Fault::error(403, "ExpiredToken"));
    served.aws.inject(refused);
    served.aws.launch(Launch::default());
    // A poll that began before may bring the message; what comes after it is refused.
    served.aws.until("a call is refused", |aws| aws.ledger().iter().any(is_refused)).await;
    replaced();
    served.aws.until("the second is settled", |aws| aws.messages().is_empty()).await;
    terminate(&child);
    child.wait_with_output().await.unwrap();
    let stops = served.aws.calls("StopInstances");
    assert_eq!(stops.last().unwrap().caller, "NEW");
    assert_eq!(served.aws.notices().len(), 2);
}

fn is_refused(call: &ec2_policy_enforcer::sandbox::Call) -> bool {
    !call.struck.is_empty()
}

#[tokio::test]
async fn a_credentials_file_that_was_rewritten_is_read_again() {
    let served = serve().await;
    let file = std::env::temp_dir().join(format!("renewal-{}", std::process::id()));
    let keys = |key: &str| {
        let text =
            format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n");
        fs::write(&file, text).unwrap();
    };
    keys("OLD");
    let mut program = without_keys(&served);
    program.env("AWS_SHARED_CREDENTIALS_FILE", &file);
    recovers(&served, program, || keys("NEW")).await;
    fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_container_s_credentials_are_asked_for_again_and_not_in_a_storm() {
    let (asked, is_new) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let answers = {
        let (asked, is_new) = (Arc::clone(&asked), Arc::clone(&is_new));
        Router::new().route(
            "/role",
            get(async move || {
                asked.fetch_add(1, Ordering::Relaxed);
                let key = if is_new.load(Ordering::Relaxed) == 0 { "OLD" } else { "NEW" };
                format!(
                    r#"{{"AccessKeyId":"{key}","SecretAccessKey":"secret","Token":"token",
                        "Expiration":"2099-01-01T00:00:00Z"}}"#
                )
            }),
        )
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, answers).into_future());
    let served = serve().await;
    let mut program = without_keys(&served);
    program.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/role"));
    recovers(&served, program, || is_new.store(1, Ordering::Relaxed)).await;
    let (asked, calls) = (asked.load(Ordering::Relaxed), served.aws.ledger().len());
    assert!(asked <= 12, "asked {asked} times for {calls} calls");
}
