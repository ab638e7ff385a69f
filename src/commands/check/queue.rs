//! The queue: whether it can be read, and whether its settings suit the daemon.

use std::time::Duration;

use crate::aws::error::{AwsError, Class};
use crate::aws::sqs::Queue;
use crate::aws::sqs::attributes::Attributes;
use crate::commands::check::finding::{Finding, one_line};
use crate::commands::check::statement::{Names, dead_letter_reading};
use crate::commands::check::subject::Subject;
use crate::commands::check::{encryption, rule};
use crate::daemon::startup::{FEW_RECEIVES, queue_remedy};
use crate::retry::delays;
use crate::settings::Settings;

const DAY_SECS: u64 = 86_400;

/// Checks the queue by its attributes.
pub(super) async fn findings(
    settings: &Settings,
    found: &Result<(Queue, Attributes), AwsError>,
    names: &Names,
) -> Vec<Finding> {
    let mut findings = match found {
        Ok((queue, attributes)) => vec![
            reachable(queue, attributes, names),
            redrive(attributes),
            visibility(settings, attributes),
            retention(queue, attributes).await,
            encryption::finding(attributes.key.as_deref()),
            rule::sender(attributes.policy.as_deref(), &names.queue),
        ],
        Err(error) => unreadable(error, names),
    };
    findings.push(receiving());
    findings
}

fn reachable(queue: &Queue, attributes: &Attributes, names: &Names) -> Finding {
    let owner = attributes.owner.as_ref().map(|(_, account)| account);
    match owner.filter(|owner| **owner != names.account) {
        Some(owner) => Finding::warning(
            Subject::Queue,
            format!("{} belongs to {owner}, not to the credentials' account", queue.url()),
        )
        .remedy("check that the queue's own policy lets the role work it off"),
        None => Finding::ok(Subject::Queue, place(queue)),
    }
}

/// The queue's URL, and where SQS was called for it if that is elsewhere.
fn place(queue: &Queue) -> String {
    let url = queue.url();
    match queue.endpoint().filter(|endpoint| !url.starts_with(*endpoint)) {
        Some(endpoint) => format!("{url}, called at {endpoint}"),
        None => url.to_owned(),
    }
}

/// The findings for a queue that cannot be read: without its attributes nothing else is known.
fn unreadable(error: &AwsError, names: &Names) -> Vec<Finding> {
    let queue = Finding::refused(Subject::Queue, error, names.queue_work());
    let queue = match error.class {
        Class::Unknown | Class::Throttled | Class::Transient | Class::Denied => queue,
        class => queue.remedy(queue_remedy(class)),
    };
    let unknown = [
        Subject::Redrive,
        Subject::Visibility,
        Subject::Retention,
        Subject::Encryption,
        Subject::Rule,
    ];
    let unknown = unknown.map(|subject| Finding::not_proven(subject, "the queue cannot be read"));
    [queue].into_iter().chain(unknown).collect()
}

fn redrive(attributes: &Attributes) -> Finding {
    const REMEDY: &str = "give the queue a redrive policy with a maxReceiveCount of 20";
    match attributes.redrive.as_ref().map(|redrive| redrive.max_receives) {
        None => Finding::warning(
            Subject::Redrive,
            "none: a rejected message comes again until its retention ends",
        )
        .remedy(REMEDY),
        Some(count) if count < FEW_RECEIVES => Finding::warning(
            Subject::Redrive,
            format!(
                "maxReceiveCount is {count}: an outage may move sound messages to the dead-letter \
                 queue"
            ),
        )
        .remedy(REMEDY),
        Some(count) => Finding::ok(
            Subject::Redrive,
            format!("to the dead-letter queue after {count} receives"),
        ),
    }
}

fn visibility(settings: &Settings, attributes: &Attributes) -> Finding {
    let asked = settings.queue.visibility_timeout.unwrap_or(attributes.visibility_timeout);
    let found = format!("{} s", asked.as_secs());
    if asked >= delays::SHORT_VISIBILITY {
        return Finding::ok(Subject::Visibility, found);
    }
    Finding::warning(Subject::Visibility, format!("{found}: renewed every few seconds"))
        .remedy("set the queue's visibility timeout, or queue.visibility_timeout_secs, to 30")
}

/// Compares the retention of both queues: a dead letter keeps the time at which it was first sent.
async fn retention(queue: &Queue, attributes: &Attributes) -> Finding {
    let kept = attributes.retention;
    let arn = attributes.redrive.as_ref().map(|redrive| &*redrive.target);
    let Some(arn) = arn.filter(|arn| !arn.is_empty()) else {
        let found = format!("{}; there is no dead-letter queue", days(kept));
        return Finding::not_proven(Subject::Retention, found);
    };
    let name = arn.rsplit(':').next().unwrap_or_default();
    match queue.sibling(name).attributes().await {
        Ok(dead) => compared(kept, dead.retention),
        Err(error) if error.class == Class::Gone => {
            Finding::failed(Subject::Retention, format!("the dead-letter queue {name} is gone"))
                .remedy("make it, or correct the redrive policy")
        }
        Err(error) if error.class == Class::Denied => Finding::not_proven(
            Subject::Retention,
            format!("the dead-letter queue may not be read: {}", one_line(&error)),
        )
        .denied(
            &error,
            "allow it, for this check only".to_owned(),
            dead_letter_reading(arn),
        ),
        Err(error) => Finding::not_proven(
            Subject::Retention,
            format!("the dead-letter queue does not answer: {}", one_line(&error)),
        ),
    }
}

fn compared(queue: Duration, dead: Duration) -> Finding {
    let found = format!("{}, in the dead-letter queue {}", days(queue), days(dead));
    if dead > queue {
        return Finding::ok(Subject::Retention, found);
    }
    Finding::warning(Subject::Retention, format!("{found}: dead letters may vanish unread"))
        .remedy("keep messages for longer in the dead-letter queue; they keep their first time")
}

fn receiving() -> Finding {
    let found = "sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility: not tried on messages";
    Finding::not_proven(Subject::Receiving, found)
        .remedy("compare the role with deploy/iam/daemon.json")
}

fn days(time: Duration) -> String {
    match time.as_secs() {
        secs if secs.is_multiple_of(DAY_SECS) => format!("{} d", secs / DAY_SECS),
        secs => format!("{secs} s"),
    }
}
