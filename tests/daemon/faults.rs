//! Single faults of AWS: calls that fail, are throttled or cut off, and notices that are refused.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use ec2_policy_enforcer::daemon::Error;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Service};

use crate::world::{World, notices, pass, violators};

const HOUR: Duration = Duration::from_hours(1);

/// Injects a fault into an operation, and expects a violator and an exempt instance to be settled
/// as usual, with one receive of each message.
async fn ends_well_despite(operation: &str, fault: Fault) {
    let mut world = World::new();
    world.aws.inject(Rule::on(operation).fault(fault).times(3));
    let (violator, exempt) = (world.violator(), world.exempt());
    world.start();
    world.all_settled().await;
    world.drain().await;
    assert!(world.calls(operation) > 3, "{operation} was not tried again");
    assert_eq!(world.texts(), [format!("EC2 {violator} Stopped")]);
    assert_eq!(world.stops_of(&exempt), 0);
    assert!(world.most_receives() <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_tried_again() {
    for operation in [
        "ReceiveMessage",
        "DescribeTags",
        "DescribeInstances",
        "PublishBatch",
        "DeleteMessageBatch",
    ] {
        ends_well_despite(operation, Fault::error(500, "InternalError")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_tried_again() {
    for operation in ["DescribeTags", "DescribeInstances", "StopInstances"] {
        ends_well_despite(operation, Fault::error(503, "RequestLimitExceeded")).await;
    }
    for operation in ["ReceiveMessage", "PublishBatch", "DeleteMessageBatch"] {
        ends_well_despite(operation, Fault::error(400, "ThrottlingException")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_is_tried_again() {
    for operation in [
        "ReceiveMessage",
        "DescribeTags",
        "DescribeInstances",
        "StopInstances",
        "PublishBatch",
        "DeleteMessageBatch",
    ] {
        ends_well_despite(operation, Fault::CutBefore).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_answer_is_lost_is_confirmed_and_announced_once() {
    let mut world = World::new();
    world.aws.inject(Rule::on("StopInstances").fault(Fault::CutAfter).times(1));
    let id = world.violator();
    world.start();
    world.all_settled().await;
    assert_eq!(world.stops_of(&id), 2);
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
}

fn first_entry_fails(operation: &str) -> Rule {
    let code = "InternalError".to_owned();
    Rule::on(operation).fault(Fault::Entries { count: 1, code, sender_fault: false }).times(1)
}

#[tokio::test(start_paused = true)]
async fn only_the_refused_notice_of_a_batch_is_published_again() {
    let mut world = World::new();
    world.aws.inject(first_entry_fails("PublishBatch"));
    let mut texts: Vec<_> = (0..3).map(|_| format!("EC2 {} Stopped", world.violator())).collect();
    texts.sort();
    world.start();
    world.all_settled().await;
    assert_eq!(world.texts(), texts);
}

#[tokio::test(start_paused = true)]
async fn only_the_refused_message_of_a_batch_is_deleted_again() {
    let mut world = World::new();
    world.aws.inject(first_entry_fails("DeleteMessageBatch"));
    (0..3).for_each(|_| drop(world.exempt()));
    world.start();
    world.all_settled().await;
    let deletes = world.aws.calls("DeleteMessageBatch");
    let entries: usize = deletes.iter().map(|call| call.subjects.len()).sum();
    assert_eq!(entries, 4);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_notice_is_never_accepted_is_not_deleted() {
    let mut world = World::new();
    world.aws.inject(Rule::on("PublishBatch"));
    let id = world.violator();
    world.start();
    pass(HOUR).await;
    assert!(!world.is_running(&id));
    assert_eq!(world.aws.messages().len(), 1);
    assert_eq!(world.calls("DeleteMessageBatch"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_sns_calls_invalid_is_published_without_its_subject() {
    let mut world = World::new();
    let invalid = Fault::error(400, "InvalidParameter");
    world.aws.inject(Rule::on("PublishBatch").fault(invalid).times(1));
    let id = world.violator();
    world.start();
    world.all_settled().await;
    let notices = world.aws.notices();
    assert_eq!(world.texts(), [format!("EC2 {id} Stopped")]);
    assert_eq!(notices[0].subject, None);
}

#[tokio::test(start_paused = true)]
async fn only_the_notice_that_sns_calls_invalid_loses_its_subject() {
    let mut world = World::new();
    let code = "InvalidParameter".to_owned();
    let invalid = Fault::Entries { count: 1, code, sender_fault: true };
    world.aws.inject(Rule::on("PublishBatch").fault(invalid).times(1));
    let throttled = Fault::error(400, "Throttled");
    world.aws.inject(Rule::on("PublishBatch").fault(throttled).after(1).times(1));
    (0..5).for_each(|_| drop(world.violator()));
    world.start();
    world.all_settled().await;
    let plain = world.aws.notices().iter().filter(|notice| notice.subject.is_none()).count();
    assert_eq!((world.aws.notices().len(), plain), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn a_missing_queue_ends_the_start() {
    let missing = "https://sqs.us-east-1.amazonaws.com/123456789012/missing";
    let mut world = World::new().set("SQS_QUEUE_URL", missing).started();
    let Err(Error::Failed(error)) = world.end().await else { panic!("did not fail") };
    let said = error.to_string();
    assert!(said.starts_with(&format!("cannot read the queue {missing}: ")), "{said}");
    assert!(said.ends_with("; check SQS_QUEUE_URL and the region"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_not_the_credentials_own_is_a_wrong_setting() {
    let world = World::new();
    let name = world.resources.queue_name.clone();
    let mut world = world
        .set("SQS_QUEUE_URL", &name)
        .set("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:999999999999:notices")
        .set("ENFORCER_SCOPE__ACCOUNT", "999999999999")
        .started();
    let ended = world.end().await;
    assert!(matches!(ended, Err(Error::Settings(_))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_during_an_outage_of_sqs_succeeds_after_it() {
    let mut world = World::new();
    world.aws.inject(Rule::on_service(Service::Sqs).times(5));
    world.violator();
    world.start();
    world.all_settled().await;
    assert_eq!(world.aws.notices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_visibility_timeout_too_small_to_renew_is_raised() {
    let mut world = World::new();
    let sqs = aws_sdk_sqs::Client::new(&world.aws.sdk_config());
    let change = sqs.set_queue_attributes().queue_url(&world.resources.queue_url);
    change.attributes(QueueAttributeName::VisibilityTimeout, "1").send().await.unwrap();
    world.aws.latency("StopInstances", Duration::from_secs(20));
    world.violator();
    world.start();
    world.all_settled().await;
    assert_eq!(world.most_receives(), 1);
    let renewals = world.aws.calls("ChangeMessageVisibilityBatch");
    assert!(renewals.iter().flat_map(|call| &call.timeouts).all(|(_, secs)| *secs == 5));
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_be_retried_keep_nothing_from_being_deleted() {
    let mut world = World::new();
    let refused = Fault::error(403, "AccessDenied");
    world.aws.inject(Rule::on("ChangeMessageVisibilityBatch").fault(refused));
    let absent: Vec<_> = (0..100).map(|_| world.reported(Launch::default())).collect();
    for id in &absent {
        world.aws.forget(id);
    }
    world.start();
    pass(Duration::from_secs(5)).await;
    let ids = violators(&world, 20);
    pass(Duration::from_secs(5)).await;
    assert_eq!(world.texts(), notices(&ids, None));
    assert_eq!(world.aws.messages().len(), absent.len());
}
