//! The subcommand `resume`, as the built program.

use std::process::Stdio;

use crate::program::{Served, call, serve};

const HERE: &str = "hold/123456789012/us-east-1";
const THERE: &str = "hold/123456789012/eu-west-1";
const SINCE: &str = "2026-11-26T20:48:21Z";

/// Runs it, without a topic: it needs the queue alone. Returns the exit code and stdout.
async fn resume(served: &Served, more: &[&str]) -> (i32, String) {
    let mut program = call(served, "resume");
    program.args(more).env_remove("SNS_TOPIC_ARN").stderr(Stdio::inherit());
    let output = program.output().await.unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// A queue with two holds and a tag that is none.
async fn held() -> Served {
    let served = serve().await;
    for key in [HERE, THERE, "Owner"] {
        served.aws.tag_queue(key, SINCE);
    }
    served
}

fn keys(served: &Served) -> Vec<String> {
    served.aws.queue_tags().into_keys().collect()
}

#[tokio::test]
async fn without_an_option_it_shows_what_is_held_and_changes_nothing() {
    let served = held().await;
    let (code, shown) = resume(&served, &[]).await;
    assert_eq!(code, 0, "{shown}");
    for line in [format!("  {HERE}  since {SINCE}"), format!("  {THERE}  since {SINCE}")] {
        assert!(shown.lines().any(|one| one == line), "{shown}");
    }
    assert!(!shown.contains("Owner"), "{shown}");
    assert_eq!(keys(&served).len(), 3);
}

#[tokio::test]
async fn it_removes_the_holds_that_are_asked_for_and_tells_of_the_others() {
    let served = held().await;
    let (code, told) = resume(&served, &["--region", "us-east-1"]).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&format!("go on within a minute:\n  {HERE}\nstill held:")), "{told}");
    assert_eq!(keys(&served), ["Owner", THERE]);
    let (code, told) = resume(&served, &["--region", "us-east-1"]).await;
    assert_eq!(code, 0);
    assert!(told.starts_with("nothing that you asked for is held"), "{told}");
}

#[tokio::test]
async fn a_freeze_of_everything_ends_with_all_alone() {
    let served = held().await;
    served.aws.tag_queue("hold/all", SINCE);
    let (code, told) = resume(&served, &["--account", "123456789012"]).await;
    assert_eq!(code, 1, "{told}");
    assert_eq!(keys(&served), ["Owner", "hold/all"]);
    let (code, told) = resume(&served, &["--all"]).await;
    assert_eq!(code, 0, "{told}");
    assert_eq!(keys(&served), ["Owner"]);
    assert_eq!(resume(&served, &[]).await, (0, "no stops are held\n".to_owned()));
}
