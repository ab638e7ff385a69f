//! How fast notices go out. SNS suspends an e-mail subscription that gets more than 10 messages a
//! second, and deletes it two days later. From then on nobody would hear of any violation, although
//! SNS accepts each notice. So SNS is asked every 15 minutes who is subscribed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use crate::aws::error::AwsError;
use crate::aws::sns::{PUBLISH_LIMIT, Subscribers, Topic};
use crate::pipeline::context::Context;
use crate::pipeline::operators::{Matter, OperatorNotice, Operators};
use crate::rate_limit::window::{Slots, Window};
use crate::retry::delays;
use crate::runtime::liveness;
use crate::settings::PerSecond;
use crate::telemetry::metrics::Metrics;

/// The most notices in any second where somebody is subscribed by e-mail: one less than SNS allows,
/// for a message that others publish to the topic.
const MAIL_LIMIT: usize = 9;

/// How many notices may go out, and who gets them.
#[derive(Debug)]
pub(crate) struct NoticeRate {
    per_second: PerSecond,
    /// `None` while SNS has not said who is subscribed.
    subscribers: Mutex<Option<Subscribers>>,
    window: Arc<Window>,
    metrics: Arc<Metrics>,
    /// Whether operators listen to a topic of their own.
    operators_hear: bool,
}

impl NoticeRate {
    /// The rate of the settings. Until SNS has said who is subscribed, somebody may be by e-mail.
    pub(crate) fn of(context: &Context) -> Self {
        let per_second = context.settings.notice.per_second;
        let (subscribers, window) = (Mutex::new(None), Arc::default());
        let metrics = Arc::clone(&context.metrics);
        let operators_hear = context.settings.topic.operators.is_some();
        Self { per_second, subscribers, window, metrics, operators_hear }
    }

    /// The most notices that one call may have.
    pub(crate) fn most(&self) -> usize {
        self.limit().map_or(PUBLISH_LIMIT, |limit| limit.min(PUBLISH_LIMIT))
    }

    /// Waits until so many notices may go out. A drain does not end the wait: what can be published
    /// within its time is published.
    pub(crate) async fn slots(&self, notices: usize) -> Slots {
        self.window.take(notices, || self.limit()).await
    }

    /// Whether nobody is subscribed to the topic.
    pub(crate) fn is_unheard(&self) -> bool {
        self.subscribers() == Some(Subscribers::Nobody)
    }

    /// Asks SNS again and again who is subscribed. Operators with a topic of their own are told that
    /// nobody is.
    pub(crate) async fn watch(self: Arc<Self>, topic: Topic, operators: Arc<Operators>) {
        loop {
            let answer = topic.subscribers().await;
            let interval = self.note(answer);
            if self.is_unheard() && self.operators_hear {
                operators.tell(unheard(&topic));
            }
            liveness::within(interval);
            tokio::time::sleep(interval).await;
        }
    }

    /// Notes who is subscribed, tells operators of a change, and returns after how long SNS is
    /// asked again.
    fn note(&self, answer: Result<Subscribers, AwsError>) -> Duration {
        let known = answer.as_ref().ok().copied();
        let before = {
            let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *subscribers, known)
        };
        self.metrics.set_topic_unheard(self.is_unheard());
        match answer {
            Err(error) => {
                warn!(
                    %error,
                    per_second = self.limit(),
                    "cannot see who is subscribed to the topic; allow sns:ListSubscriptionsByTopic"
                );
                return delays::SUBSCRIBERS_UNKNOWN;
            }
            Ok(Subscribers::Nobody) => {
                warn!("nobody hears of stops: the topic has no confirmed subscription");
            }
            Ok(_) if before != known => info!(per_second = self.limit(), "owners are subscribed"),
            Ok(_) => {}
        }
        delays::SUBSCRIBERS_ASKED
    }

    /// The most notices in any second; `None` without a limit.
    fn limit(&self) -> Option<usize> {
        match (self.per_second, self.subscribers()) {
            (PerSecond::AtMost(number), _) => Some(number),
            (PerSecond::Auto, Some(Subscribers::Nobody | Subscribers::NoMail)) => None,
            (PerSecond::Auto, Some(Subscribers::Mail) | None) => Some(MAIL_LIMIT),
        }
    }

    fn subscribers(&self) -> Option<Subscribers> {
        *self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What operators are told of a topic without subscribers.
fn unheard(topic: &Topic) -> OperatorNotice {
    let arn = topic.arn();
    let text = format!(
        "Nobody hears of stops: the topic {arn} has no confirmed subscription. Subscribe the owners, \
         and have them confirm it."
    );
    OperatorNotice { matter: Matter::Unheard, key: arn.to_owned(), text }
}
