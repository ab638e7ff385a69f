//! The topic: whether it exists, and whether anybody is subscribed.

use crate::aws::error::{AwsError, Class};
use crate::aws::sns::{Attributes, Subscribers, Topic};
use crate::commands::check::finding::{Finding, one_line};
use crate::commands::check::statement::Names;
use crate::commands::check::subject::Subject;
use crate::domain::notice::Notice;
use crate::domain::notice::test::Daemon;
use crate::settings::{Settings, TopicArn};

/// Checks the topic by its attributes.
pub(super) fn findings(
    topic: &TopicArn,
    answer: &Result<Attributes, AwsError>,
    listed: &Result<Subscribers, AwsError>,
    names: &Names,
) -> Vec<Finding> {
    let finding = match answer {
        Ok(attributes) => subscribers(topic, *attributes),
        // Only the preflight reads the attributes, so the daemon may work all the same.
        Err(error) if error.class == Class::Denied => {
            Finding::not_proven(Subject::Topic, format!("may not be read: {}", one_line(error)))
                .denied(error, "allow it, for this check only".to_owned(), names.topic_reading())
        }
        Err(error) if matches!(error.class, Class::Gone | Class::Invalid) => {
            Finding::failed(Subject::Topic, one_line(error)).remedy("check SNS_TOPIC_ARN")
        }
        Err(error) => Finding::refused(Subject::Topic, error, names.topic_reading()),
    };
    let mut findings = vec![finding];
    findings.extend(listed.as_ref().err().and_then(|error| listing(error, names)));
    findings
}

/// What follows where the daemon cannot see who is subscribed. Other errors are reported with the
/// topic's attributes.
fn listing(error: &AwsError, names: &Names) -> Option<Finding> {
    if error.class != Class::Denied {
        return None;
    }
    let found =
        format!("may not be listed, so that 9 notices go out a second: {}", one_line(error));
    let remedy = "add the statement below to the role's policy".to_owned();
    Some(Finding::warning(Subject::Subscribers, found).denied(error, remedy, names.topic_work()))
}

fn subscribers(topic: &TopicArn, attributes: Attributes) -> Finding {
    let Attributes { confirmed, pending } = attributes;
    let pending = pending.unwrap_or_default();
    match confirmed {
        Some(0) => {
            let found = format!("nobody listens to {} ({pending} unconfirmed)", topic.arn);
            Finding::warning(Subject::Topic, found)
                .remedy("subscribe the owners, and have them confirm it")
        }
        Some(count) => Finding::ok(Subject::Topic, format!("{}, heard by {count}", topic.arn)),
        None => Finding::ok(Subject::Topic, topic.arn.as_str()),
    }
}

/// Whether the daemon may publish: proven by a test notice, if there is to be one.
pub(super) async fn publishing(topic: &Topic, test: Option<Notice>, names: &Names) -> Finding {
    let Some(test) = test else {
        let found = "sns:Publish: not tried on the owners";
        return Finding::not_proven(Subject::Publishing, found).remedy(
            "give --notify to publish a test notice, or compare with deploy/iam/daemon.json",
        );
    };
    let published = topic.publish(&[&test]).await;
    match published.map(|mut results| results.pop()) {
        Ok(Some(Ok(id))) => {
            Finding::ok(Subject::Publishing, format!("published a test notice, message {id}"))
        }
        Ok(Some(Err(error))) | Err(error) => {
            Finding::refused(Subject::Publishing, &error, names.topic_work())
        }
        Ok(None) => Finding::not_proven(Subject::Publishing, "SNS did not answer for the notice"),
    }
}

/// A notice in the form that the settings want, which says that it is a test, and by whom.
pub(super) fn test_notice(settings: &Settings, names: &Names) -> Notice {
    let daemon =
        Daemon { account: &names.account, queue: &names.queue, version: env!("CARGO_PKG_VERSION") };
    Notice::test(&daemon, &settings.notice_style())
}
