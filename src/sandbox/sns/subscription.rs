//! A subscription of a topic. Those of e-mail addresses are suspended by too many messages.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::filter::Filter;

/// SNS suspends an e-mail subscription that gets more messages than this in a second ("Amazon SNS
/// endpoints and quotas").
const MAILS_A_SECOND: usize = 10;
/// When a suspended subscription that nobody confirms again is deleted.
const DELETED_AFTER: Duration = Duration::from_hours(48);

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
    /// When SNS suspended it: it got more messages in a second than an e-mail address may. It is
    /// not confirmed then.
    pub suspended: Option<Instant>,
    /// How many messages it got.
    pub delivered: usize,
    /// Whether notices are delivered without SNS's envelope.
    pub(super) raw: bool,
    /// Which notices it gets.
    pub(super) filter: Filter,
    /// When it got the messages of the last second, if they are e-mails.
    mails: VecDeque<Instant>,
}

impl Subscription {
    /// A new subscription. A queue and a function need no confirmation, and here HTTPS does not
    /// either; an e-mail address does.
    pub(super) fn new(arn: String, protocol: &str, endpoint: &str) -> Self {
        Self {
            arn,
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
            confirmed: !protocol.starts_with("email"),
            suspended: None,
            delivered: 0,
            raw: false,
            filter: Filter::default(),
            mails: VecDeque::new(),
        }
    }

    /// Counts a message, and suspends the subscription if there are too many e-mails. Says whether
    /// the subscription still gets messages.
    pub(super) fn gets(&mut self, now: Instant) -> bool {
        if self.confirmed && self.protocol.starts_with("email") {
            self.mails.retain(|at| now.saturating_duration_since(*at) < Duration::from_secs(1));
            self.mails.push_back(now);
            if self.mails.len() > MAILS_A_SECOND {
                self.confirmed = false;
                self.suspended = Some(now);
            }
        }
        self.delivered += usize::from(self.confirmed);
        self.confirmed
    }

    /// Confirms it, as its owner does by a link in an e-mail.
    pub(in crate::sandbox) fn confirm(&mut self) {
        self.confirmed = true;
        self.suspended = None;
        self.mails.clear();
    }

    fn is_deleted(&self, now: Instant) -> bool {
        self.suspended.is_some_and(|at| now.saturating_duration_since(at) >= DELETED_AFTER)
    }
}

/// Forgets the subscriptions of a topic that SNS has deleted.
pub(in crate::sandbox) fn delete_suspended(subscriptions: &mut Vec<Subscription>, now: Instant) {
    subscriptions.retain(|subscription| !subscription.is_deleted(now));
}
