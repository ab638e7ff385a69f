//! Panics, which only a bug can cause. One in a batch makes its messages be retried; one elsewhere
//! ends the daemon.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use ec2_policy_enforcer::daemon::Error;

use crate::world::{World, pass};

/// An HTTP client that panics instead of sending the first calls of one operation.
#[derive(Debug, Clone)]
struct Panicking {
    operation: &'static str,
    left: Arc<AtomicUsize>,
    inner: SharedHttpConnector,
}

impl HttpConnector for Panicking {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let action = format!("Action={}&", self.operation);
        let body = request.body().bytes().unwrap_or_default();
        let is_it = target.ends_with(&format!(".{}", self.operation))
            || body.windows(action.len()).any(|window| window == action.as_bytes());
        let take = |left: usize| left.checked_sub(1);
        let panics =
            is_it && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
        assert!(!panics, "{} panics", self.operation);
        self.inner.call(request)
    }
}

/// A world in which the daemon panics at the first `times` calls of an operation.
pub(crate) fn panicking_on(operation: &'static str, times: usize) -> World {
    let left = Arc::new(AtomicUsize::new(times));
    World::new().with_sdk(move |sdk: SdkConfig| {
        let inner = sdk.http_client().unwrap();
        let client = http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Panicking { operation, left: Arc::clone(&left), inner })
        });
        sdk.into_builder().http_client(client).build()
    })
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_batch_only_makes_its_messages_be_retried() {
    for operation in ["DescribeTags", "DescribeInstances", "StopInstances", "PublishBatch"] {
        let mut world = panicking_on(operation, 1);
        let id = world.violator();
        world.start();
        world.all_settled_within(Duration::from_mins(2)).await;
        let drained = world.drain().await;
        assert_eq!(world.texts(), [format!("EC2 {id} Stopped")], "{operation}");
        assert_eq!(world.most_receives(), 2, "{operation}");
        assert!(drained.complete());
    }
}

#[tokio::test(start_paused = true)]
async fn batches_that_panic_leave_the_others_alone() {
    let mut world = panicking_on("StopInstances", 3).set("ENFORCER_SIZES__STOP_BATCH", "1");
    (0..20).for_each(|_| drop(world.violator()));
    world.start();
    world.all_settled_within(Duration::from_mins(5)).await;
    world.drain().await;
    assert_eq!(world.aws.notices().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_stage_whose_batches_keep_panicking_is_not_ready_until_one_succeeds() {
    for (operation, task) in
        [("DescribeTags", "evaluator"), ("StopInstances", "enforcer"), ("PublishBatch", "notifier")]
    {
        let mut world = panicking_on(operation, 5);
        world.violator();
        world.start();
        pass(Duration::from_secs(5)).await;
        assert_eq!(world.health.troubles(), [""; 0], "one panic may be due to one message");
        // Received again after 10, 20 and 40 s.
        pass(Duration::from_secs(80)).await;
        let trouble = format!("panicking: the last 4 batches of {task}");
        assert_eq!(world.health.troubles(), [trouble]);
        world.all_settled_within(Duration::from_mins(20)).await;
        assert_eq!(world.health.troubles(), [""; 0]);
        world.drain().await;
    }
}

/// Expects the daemon to end by itself, with an error that names the task.
async fn ends_for(world: &mut World, task: &str) {
    let Err(Error::Failed(error)) = world.end().await else { panic!("did not fail") };
    assert!(error.to_string().contains(task), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_poller_that_panics_ends_the_daemon() {
    ends_for(&mut panicking_on("ReceiveMessage", 1).started(), "poller").await;
}

#[tokio::test(start_paused = true)]
async fn a_settler_that_panics_ends_the_daemon_and_its_messages_are_retried() {
    let mut world = panicking_on("DeleteMessageBatch", 1);
    world.violator();
    world.start();
    ends_for(&mut world, "settler").await;
    // They were retried before the drain began, with the first delay of a retry.
    pass(Duration::from_secs(12)).await;
    assert!(world.aws.messages().iter().all(|message| !message.is_held()));
}

#[tokio::test(start_paused = true)]
async fn renewals_that_panic_end_the_daemon_and_nothing_is_held() {
    let mut world = panicking_on("ChangeMessageVisibilityBatch", 1);
    world.aws.latency("StopInstances", Duration::from_secs(55));
    world.violator();
    world.start();
    ends_for(&mut world, "renewal").await;
    assert!(world.aws.messages().iter().all(|message| !message.is_held()));
}
