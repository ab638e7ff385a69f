//! The metrics, compared with what AWS saw.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};

use crate::panics::panicking_on;
use crate::scrape::Scrape;
use crate::world::{TAG, World, pass, violators};

fn scraped(world: &World) -> Scrape {
    Scrape::read(&world.health.scrape())
}

/// A world in which something of every kind has happened, drained.
async fn eventful() -> World {
    let mut world = World::new();
    let throttled = Fault::error(503, "RequestLimitExceeded");
    world.aws.inject(Rule::on("StopInstances").fault(throttled).times(2));
    world.aws.inject(Rule::on("PublishBatch").fault(Fault::error(500, "InternalError")).times(1));
    world.aws.inject(Rule::on("DescribeTags").fault(Fault::error(400, "Teapot")).times(1));
    violators(&world, 7);
    (0..5).for_each(|_| drop(world.exempt()));
    world.reported(Launch::default().stop_protected());
    let id = world.exempt();
    world.aws.send(&world.aws.event(&id).replace("running", "stopped"));
    world.aws.send("not JSON");
    world.start();
    world.aws.until("only the rejected is left", |aws| aws.messages().len() == 1).await;
    pass(Duration::from_secs(1)).await;
    world.drain().await;
    world
}

#[tokio::test(start_paused = true)]
async fn events_notices_and_dispositions_are_what_became_of_the_messages() {
    let world = eventful().await;
    let scrape = scraped(&world);
    let outcomes = ["stopped", "exempt", "refused", "ignored", "rejected", "gone"];
    let rejected = world.receives_of(&world.aws.messages()[0].id);
    assert_eq!(outcomes.map(|outcome| scrape.events(outcome)), [7, 6, 1, 1, rejected, 0]);
    assert_eq!(scrape.sum("enforcer_refusals_total", &["reason=\"stop_protection\""]), 1);
    assert_eq!(scrape.sum("enforcer_notices_total", &[]), world.aws.notices().len());
    assert_eq!(scrape.sum("enforcer_dispositions_total", &["disposition=\"delete\""]), 15);
    assert_eq!(scrape.sum("enforcer_dispositions_total", &["\"leave\""]), rejected);
    assert_eq!(scrape.sum("enforcer_event_age_seconds_count", &[]), 15);
    assert_eq!(scrape.sum("enforcer_batch_messages_sum", &["task=\"evaluator\""]), 14);
    assert_eq!(scrape.sum("enforcer_batch_messages_sum", &["task=\"notifier\""]), 8);
    assert_eq!(scrape.sum("enforcer_batch_messages_sum", &["task=\"settler\""]), 15);
    assert_eq!(scrape.sum("enforcer_inbox_messages", &[]), 0);
    assert_eq!(scrape.sum("enforcer_leases_held", &[]), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_to_aws_are_counted_as_aws_counts_them() {
    let world = eventful().await;
    let scrape = scraped(&world);
    for operation in [
        "GetCallerIdentity",
        "GetQueueAttributes",
        "DescribeTags",
        "DescribeInstances",
        "StopInstances",
        "PublishBatch",
        "DeleteMessageBatch",
    ] {
        let label = format!("operation=\"{operation}\"");
        let calls = world.calls(operation);
        assert_ne!(calls, 0, "{operation}");
        assert_eq!(scrape.sum("enforcer_aws_calls_total", &[&label]), calls, "{operation}");
        let measured = scrape.sum("enforcer_aws_call_duration_seconds_count", &[&label]);
        assert_eq!(measured, calls, "{operation}");
    }
    let with = |labels: &[&str]| scrape.sum("enforcer_aws_calls_total", labels);
    assert_eq!(with(&["\"StopInstances\"", "result=\"request_limit_exceeded\""]), 2);
    assert_eq!(with(&["\"PublishBatch\"", "result=\"internal_error\"", "\"us-east-1\""]), 1);
    assert_eq!(with(&["\"DescribeTags\"", "service=\"ec2\"", "result=\"other\""]), 1);
    assert_eq!(scrape.sum("enforcer_aws_throttles_total", &["\"StopInstances\""]), 2);
    assert_eq!(scrape.sum("enforcer_retries_total", &["\"PublishBatch\""]), 1);
}

#[tokio::test(start_paused = true)]
async fn renewals_and_what_is_held_are_counted() {
    let mut world = World::new();
    world.aws.latency("StopInstances", Duration::from_secs(55));
    violators(&world, 3);
    world.start();
    pass(Duration::from_secs(40)).await;
    assert_eq!(scraped(&world).sum("enforcer_leases_held", &[]), 3);
    world.all_settled_within(Duration::from_mins(5)).await;
    let renewed = scraped(&world).sum("enforcer_lease_renewals_total", &["\"renewed\""]);
    assert_ne!(renewed, 0);
    assert_eq!(renewed, world.timeouts().len());
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_counted_and_shown_until_it_is_over() {
    let mut world = World::new();
    let denied = Fault::error(403, "AuthorizationError");
    world.aws.inject(Rule::on("PublishBatch").fault(denied));
    world.violator();
    world.start();
    pass(Duration::from_mins(1)).await;
    let scrape = scraped(&world);
    let pause = ["operation=\"PublishBatch\"", "region=\"\""];
    assert_eq!(scrape.sum("enforcer_paused", &pause), 1);
    let begun = [pause[0], pause[1], "reason=\"access_denied\""];
    assert_eq!(scrape.sum("enforcer_pauses_total", &begun), 1);
    assert_eq!(scrape.sum("enforcer_retries_total", &pause[..1]), world.calls("PublishBatch"));
    assert_eq!((scrape.sum("enforcer_ready", &[]), scrape.sum("enforcer_alive", &[])), (0, 1));
    world.aws.lift_all();
    world.all_settled().await;
    let scrape = scraped(&world);
    assert_eq!(scrape.sum("enforcer_paused", &pause), 0);
    assert_eq!(scrape.sum("enforcer_ready", &[]), 1);
}

#[tokio::test(start_paused = true)]
async fn violators_whose_stop_is_denied_are_counted() {
    let mut world = World::new();
    let denied = Fault::error(403, "UnauthorizedOperation");
    world.aws.inject(Rule::on("StopInstances").fault(denied));
    violators(&world, 5);
    world.start();
    world.aws.latency("DescribeInstances", Duration::from_millis(300));
    pass(Duration::from_secs(30)).await;
    for _ in 0..100 {
        assert_eq!(scraped(&world).sum("enforcer_denied_stops", &["\"us-east-1\""]), 5);
        pass(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_last_poll_stands_still_while_polls_fail() {
    let world = World::new().started();
    world.aws.until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
    pass(Duration::from_mins(1)).await;
    let polled = || scraped(&world).sum("enforcer_last_successful_poll_timestamp_seconds", &[]);
    let before = polled();
    pass(Duration::from_mins(1)).await;
    assert!(polled() >= before + 40);
    world.aws.inject(Rule::on("ReceiveMessage"));
    pass(Duration::from_mins(1)).await;
    let before = polled();
    pass(Duration::from_mins(5)).await;
    assert_eq!(polled(), before);
}

#[tokio::test(start_paused = true)]
async fn panics_are_counted() {
    let mut world = panicking_on("DescribeTags", 2);
    world.violator();
    world.start();
    world.all_settled_within(Duration::from_mins(5)).await;
    assert_eq!(scraped(&world).sum("enforcer_panics_total", &[]), 2);
}

#[tokio::test(start_paused = true)]
async fn no_label_has_an_id_of_an_instance_an_event_or_a_message() {
    let world = eventful().await;
    let text = world.health.scrape();
    let ids = world.aws.instances().into_iter().map(|instance| instance.id);
    for id in ids.chain(world.aws.messages().into_iter().map(|message| message.id)) {
        assert!(!text.contains(&id), "{id} is in the metrics");
    }
    assert!(!text.contains("Teapot") && !text.contains(TAG));
}

#[tokio::test(start_paused = true)]
async fn labels_that_the_daemon_names_itself_are_snake_case_words() {
    let text = eventful().await.health.scrape();
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    for label in ["disposition", "outcome", "reason", "result", "service", "task"] {
        let start = format!("{label}=\"");
        for value in text.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(value.bytes().all(is_word), "{label}={value:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn operations_have_their_series_from_the_start_and_denied_stops_are_a_pause() {
    let world = World::new().started();
    pass(Duration::from_secs(1)).await;
    let text = world.health.scrape();
    for operation in ["ReceiveMessage", "DeleteMessageBatch", "PublishBatch", "StopInstances"] {
        let has = |start: &str| {
            let mut lines = text.lines().filter(|line| line.starts_with(start));
            lines.any(|line| line.contains(operation) && line.ends_with(" 0"))
        };
        let wanted = ["enforcer_paused{", "enforcer_pauses_total{", "enforcer_retries_total{"];
        assert!(wanted.iter().all(|start| has(start)), "{operation}:\n{text}");
    }
    let denied = Fault::error(403, "UnauthorizedOperation");
    world.aws.inject(Rule::on("StopInstances").fault(denied));
    world.violator();
    pass(Duration::from_secs(30)).await;
    assert!(
        world.health.troubles()[0].starts_with("paused: StopInstances in 123456789012/us-east-1")
    );
    let stops = ["operation=\"StopInstances\"", "region=\"us-east-1\""];
    assert_eq!(scraped(&world).sum("enforcer_paused", &stops), 1);
    world.aws.lift_all();
    world.all_settled_within(Duration::from_mins(1)).await;
    assert_eq!(scraped(&world).sum("enforcer_paused", &[]), 0);
}
