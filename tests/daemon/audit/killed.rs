//! The built program, killed at any moment: what it deleted has a line.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Launch;
use tokio::time::sleep;

use super::Trail;
use crate::program::{program, serve, signal};
use crate::world::TAG;

/// How many times it is killed, each time a little later.
const KILLS: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_has_deleted_nothing_without_a_line() {
    let (served, trail) = (serve().await, Trail::new());
    let mut deleted = 0;
    for kill in 0..KILLS {
        (0..20).for_each(|_| {
            drop(served.aws.launch(Launch::default()));
            drop(served.aws.launch(Launch::default().tagged(TAG, "")));
        });
        let before = served.aws.calls("DeleteMessageBatch").len();
        let mut child = program(&served)
            .env("ENFORCER_AUDIT__TO", trail.path())
            .env("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", "5")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        served.aws.until("it deletes", |aws| aws.calls("DeleteMessageBatch").len() > before).await;
        sleep(Duration::from_millis(u64::from(kill) * 3)).await;
        signal(&child, "KILL");
        child.wait().await.unwrap();
        deleted += served.aws.calls("DeleteMessageBatch").len() - before;
        assert_eq!(trail.deleted_without_line(&served.aws), [""; 0], "kill {kill}");
    }
    assert!(!trail.messages().is_empty(), "every line is whole and valid");
    assert!(deleted > usize::try_from(KILLS).unwrap(), "{deleted} deletions");
}
