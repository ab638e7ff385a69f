//! Subscriptions of a topic. Those of e-mail addresses are suspended by too many messages.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::topic::{known, topic};
use crate::sandbox::answer::Answer;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// SNS suspends an e-mail subscription that gets more messages than this in a second ("Amazon SNS
/// endpoints and quotas").
const MAILS_A_SECOND: usize = 10;
/// When a suspended subscription that nobody confirms again is deleted.
const DELETED_AFTER: Duration = Duration::from_hours(48);
/// How many subscriptions a page of `ListSubscriptionsByTopic` has.
const PAGE: usize = 100;

/// A subscription of a topic.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub arn: String,
    /// Such as `sqs` or `email`.
    pub protocol: String,
    /// The ARN of a queue, an address, or a URL.
    pub endpoint: String,
    /// Whether somebody has confirmed it. Others get nothing.
    pub confirmed: bool,
    /// Whether notices are delivered without SNS's envelope.
    pub(super) raw: bool,
    /// When it got the messages of the last second, if they are e-mails.
    pub(super) mails: VecDeque<Instant>,
    /// When SNS suspended it.
    pub(super) suspended: Option<Instant>,
}

impl Subscription {
    /// Counts an e-mail, and suspends the subscription if there are too many. Says whether the
    /// subscription still gets messages.
    pub(super) fn gets(&mut self, now: Instant) -> bool {
        if self.confirmed && self.protocol.starts_with("email") {
            self.mails.retain(|at| now.saturating_duration_since(*at) < Duration::from_secs(1));
            self.mails.push_back(now);
            if self.mails.len() > MAILS_A_SECOND {
                self.confirmed = false;
                self.suspended = Some(now);
            }
        }
        self.confirmed
    }

    fn is_deleted(&self, now: Instant) -> bool {
        self.suspended.is_some_and(|at| now.saturating_duration_since(at) >= DELETED_AFTER)
    }

    fn listed(&self, topic: &str) -> Value {
        let arn = if self.confirmed { &self.arn } else { "PendingConfirmation" };
        json!({
            "SubscriptionArn": arn,
            "Protocol": self.protocol,
            "Endpoint": self.endpoint,
            "TopicArn": topic,
        })
    }
}

/// Forgets the subscriptions of a topic that SNS has deleted.
pub(in crate::sandbox) fn delete_suspended(subscriptions: &mut Vec<Subscription>, now: Instant) {
    subscriptions.retain(|subscription| !subscription.is_deleted(now));
}

/// Lists subscriptions, a page at a time. A token is the number of the first one of its page.
pub(super) fn list(world: &mut World, request: &Request) -> Answer {
    let (arn, now) = (known(world, request)?, world.now());
    let from = request.parameters().optional("NextToken").and_then(|token| token.parse().ok());
    let (from, size) = (from.unwrap_or(0), world.options.page_size.unwrap_or(PAGE).min(PAGE));
    let subscriptions = &mut topic(world, &arn)?.subscriptions;
    delete_suspended(subscriptions, now);
    let page: Vec<_> =
        subscriptions.iter().skip(from).take(size).map(|one| one.listed(&arn)).collect();
    let next = from + page.len();
    let next = (next < subscriptions.len()).then(|| next.to_string());
    Ok(json!({ "Subscriptions": page, "NextToken": next }))
}
