//! What the preflight finds about credentials, clock, queue and topic.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use ec2_policy_enforcer::commands::check::{self, State, Subject, Wanted};
use ec2_policy_enforcer::sandbox::{Fault, Options, Rule};
use serde_json::json;

use super::{deny, deployed, found, missing, on, report, set_queue, sound, states};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_queue_that_may_not_be_read_has_failed_with_the_statement_that_is_deployed() {
    let world = sound().await;
    deny(&world, "GetQueueAttributes", "AccessDenied");
    let report = report(&world).await;
    assert_eq!(states(&report, State::Failed), [Subject::Queue]);
    assert_eq!(missing(&report), [deployed(&world, "daemon", "WorkOffTheQueue")]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_exist_has_failed() {
    let world = sound().await.set("SQS_QUEUE_URL", "nobodys-queue");
    let report = report(&world).await;
    assert_eq!(states(&report, State::Failed), [Subject::Queue]);
    assert_eq!((report.exit_code(), missing(&report)), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_redrive_policy_that_is_missing_or_allows_few_receives_is_warned_of() {
    let world = sound().await;
    let policy = json!({
        "deadLetterTargetArn": world.resources.dead_letter_arn,
        "maxReceiveCount": 9,
    });
    set_queue(&world, QueueAttributeName::RedrivePolicy, &policy.to_string()).await;
    let text = found(&world, Subject::Redrive, State::Warning).await;
    assert!(text.starts_with("maxReceiveCount is 9"), "{text}");
    set_queue(&world, QueueAttributeName::RedrivePolicy, "").await;
    assert!(found(&world, Subject::Redrive, State::Warning).await.starts_with("none"));
    found(&world, Subject::Retention, State::NotProven).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_visibility_timeout_is_warned_of() {
    let world = sound().await;
    set_queue(&world, QueueAttributeName::VisibilityTimeout, "9").await;
    found(&world, Subject::Visibility, State::Warning).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_that_keeps_no_longer_than_the_queue_is_warned_of() {
    let world = sound().await;
    set_queue(&world, QueueAttributeName::MessageRetentionPeriod, "1209600").await;
    let text = found(&world, Subject::Retention, State::Warning).await;
    assert!(text.starts_with("14 d, in the dead-letter queue 14 d"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_that_may_not_be_read_is_not_proven() {
    let world = sound().await;
    let denied = Fault::error(403, "AccessDenied");
    world.aws.inject(Rule::on("GetQueueAttributes").after(1).fault(denied));
    let report = report(&world).await;
    assert_eq!(on(&report, Subject::Retention).state, State::NotProven);
    assert_eq!(missing(&report), [deployed(&world, "preflight", "ReadTheDeadLetterQueue")]);
    assert_eq!(report.exit_code(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_lets_no_rule_send_is_warned_of() {
    let world = sound().await;
    set_queue(&world, QueueAttributeName::Policy, "").await;
    found(&world, Subject::Rule, State::Warning).await;
}

#[tokio::test(start_paused = true)]
async fn a_topic_without_subscriptions_is_warned_of() {
    found(&World::new(), Subject::Topic, State::Warning).await;
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_does_not_exist_has_failed() {
    let world = sound().await;
    let arn = world.resources.topic_arn.replace("ec2-policy", "nobody");
    found(&world.set("SNS_TOPIC_ARN", &arn), Subject::Topic, State::Failed).await;
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_may_not_be_read_is_not_proven() {
    let world = sound().await;
    deny(&world, "GetTopicAttributes", "AuthorizationError");
    let report = report(&world).await;
    assert_eq!(on(&report, Subject::Topic).state, State::NotProven);
    assert_eq!(missing(&report), [deployed(&world, "preflight", "ReadTheTopic")]);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_see_who_is_subscribed_is_warned_of() {
    let world = sound().await;
    deny(&world, "ListSubscriptionsByTopic", "AuthorizationError");
    let report = report(&world).await;
    assert_eq!(on(&report, Subject::Subscribers).state, State::Warning);
    assert_eq!(missing(&report), [deployed(&world, "daemon", "PublishNotices")]);
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_account_than_the_settings_end_with_78() {
    let account = "210987654321";
    let world = World::new()
        .set("ENFORCER_SCOPE__ACCOUNT", account)
        .set("SQS_QUEUE_URL", "events")
        .set("SNS_TOPIC_ARN", &format!("arn:aws:sns:us-east-1:{account}:notices"));
    let report = report(&world).await;
    assert_eq!(on(&report, Subject::Settings).state, State::Failed);
    assert_eq!(report.exit_code(), 78);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_checked_with_credentials_that_are_refused() {
    let world = sound().await;
    deny(&world, "*", "InvalidClientTokenId");
    let report = report(&world).await;
    assert_eq!(states(&report, State::Failed), [Subject::Credentials]);
    assert_eq!(world.calls("GetQueueAttributes"), 0);
    assert_eq!(report.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_sts_does_not_identify_are_not_proven_and_the_rest_is_checked() {
    let world = sound().await;
    world.aws.inject(Rule::on("GetCallerIdentity").fault(Fault::CutBefore));
    let report = report(&world).await;
    assert_eq!(on(&report, Subject::Credentials).state, State::NotProven);
    assert_eq!(on(&report, Subject::Clock).state, State::NotProven);
    assert_eq!(on(&report, Subject::Stopping).state, State::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_behind_has_failed_even_if_the_date_comes_with_an_error() {
    let date_ahead = Some(Duration::from_mins(6));
    let world = World::with(Options { date_ahead, ..Options::default() });
    let text = found(&world, Subject::Clock, State::Failed).await;
    assert!(text.ends_with(" s behind AWS's"), "{text}");
    deny(&world, "GetCallerIdentity", "SignatureDoesNotMatch");
    let report = report(&world).await;
    assert_eq!(states(&report, State::Failed), [Subject::Credentials, Subject::Clock]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_with_the_key_of_aws_has_failed_since_no_event_can_arrive() {
    let world = sound().await;
    set_queue(&world, QueueAttributeName::KmsMasterKeyId, "alias/aws/sqs").await;
    let text = found(&world, Subject::Encryption, State::Failed).await;
    assert!(text.contains("no event arrives"), "{text}");
    set_queue(&world, QueueAttributeName::KmsMasterKeyId, "alias/ours").await;
    found(&world, Subject::Encryption, State::NotProven).await;
}

#[tokio::test(start_paused = true)]
async fn an_explicit_deny_is_named_and_no_allow_is_advised() {
    let message = "User: arn:aws:sts::123456789012:assumed-role/enforcer/x is not authorized to \
        perform: ec2:StopInstances with an explicit deny in a service control policy. Encoded \
        authorization failure message: 0aBc";
    for (operation, subject) in [
        ("StopInstances", Subject::Stopping),
        ("DescribeTags", Subject::Tags),
        ("GetQueueAttributes", Subject::Queue),
    ] {
        let world = sound().await;
        let code = "UnauthorizedOperation".to_owned();
        let fault = Fault::Error { status: 403, code, message: message.to_owned() };
        world.aws.inject(Rule::on(operation).fault(fault));
        let report = report(&world).await;
        let finding = on(&report, subject);
        assert_eq!(finding.state, State::Failed);
        assert!(!finding.found.contains("0aBc"), "{}", finding.found);
        let remedy = finding.remedy.as_deref().unwrap();
        assert!(remedy.contains("out of a service control policy"), "{remedy}");
        assert_eq!(missing(&report), [json!(null); 0], "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_notice_is_published_only_when_it_is_wanted() {
    let world = sound().await;
    report(&world).await;
    assert!(world.aws.notices().is_empty());
    let wanted = Wanted { notify: true, ..Wanted::default() };
    let inspected =
        check::inspect(&world.settings(), &world.aws.sdk_config(), wanted, |_| {}).await;
    let [notice] = &world.aws.notices()[..] else { panic!("{:?}", world.aws.notices()) };
    let finding = on(&inspected, Subject::Publishing);
    assert_eq!(finding.state, State::Ok, "{inspected}");
    assert!(finding.found.ends_with(&notice.message_id), "{}", finding.found);
    assert!(notice.message.contains("this is a test notice"), "{}", notice.message);
    assert!(notice.message.contains(&world.resources.queue_arn), "{}", notice.message);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_may_not_be_published_to_is_found_by_a_test_notice() {
    let world = sound().await;
    deny(&world, "PublishBatch", "AuthorizationError");
    let wanted = Wanted { notify: true, ..Wanted::default() };
    let report = check::inspect(&world.settings(), &world.aws.sdk_config(), wanted, |_| {}).await;
    assert_eq!(on(&report, Subject::Publishing).state, State::Failed, "{report}");
    assert_eq!(report.exit_code(), 1);
}
