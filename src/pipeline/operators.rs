//! Tells operators what a person must act on, such as stops that are held, on a topic of their own
//! or else on that of the owners.
//!
//! - A notice of the same matter about the same thing goes out once an hour.
//! - At most one goes out in a second: several daemons may share an e-mail subscription, which SNS
//!   suspends when it gets more than 10.
//! - Nothing waits for them. What SNS has not accepted within an hour is lost, and counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::aws::sns::Topic;
use crate::domain::notice::Notice;
use crate::domain::notice::style::Style;
use crate::pipeline::context::Context;
use crate::retry::backoff::Intervals;
use crate::retry::delays;
use crate::runtime::liveness;
use crate::telemetry::metrics::{Metrics, OperatorsTold};

/// How many notices wait at most. They go out by the second, and nobody reads more.
const WAITING: usize = 100;
/// How many matters are remembered at most.
const REMEMBERED: usize = 1000;

/// What operators are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Matter {
    /// The budget of stops is used up, so that stops are held.
    Budget,
    /// So many messages are in flight that SQS may soon hand out none.
    InFlight,
    /// An Auto Scaling group starts anew what is stopped.
    Loop,
    /// Nobody is subscribed to the topic of the owners.
    Unheard,
    /// The instances of accounts and regions cannot be looked at.
    Unreachable,
    /// Accounts and regions cannot be swept.
    Unswept,
}

/// A notice to operators.
#[derive(Clone, Debug)]
pub(crate) struct OperatorNotice {
    /// What it is of.
    pub(crate) matter: Matter,
    /// What it is about, such as an account and a region.
    pub(crate) key: String,
    /// What operators read.
    pub(crate) text: String,
}

/// Takes notices to operators.
#[derive(Debug)]
pub(crate) struct Operators {
    waiting: Sender<Waiting>,
    /// When operators were last told of a matter, and about what.
    told: Mutex<BTreeMap<(Matter, String), Instant>>,
    metrics: Arc<Metrics>,
}

/// A notice that is to be published.
#[derive(Debug)]
pub(crate) struct Waiting {
    notice: OperatorNotice,
    since: Instant,
}

/// The task that publishes the notices.
#[derive(Debug)]
pub(crate) struct OperatorNotifier {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// Where operators listen.
    pub(crate) topic: Topic,
}

impl Matter {
    /// The word for it in logs.
    fn label(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::InFlight => "in_flight",
            Self::Loop => "loop",
            Self::Unheard => "unheard",
            Self::Unreachable => "unreachable",
            Self::Unswept => "unswept",
        }
    }

    /// The subject of its notices.
    fn subject(self) -> &'static str {
        match self {
            Self::Budget => "EC2 policy enforcer: the budget is used up, stops are held",
            Self::InFlight => "EC2 policy enforcer: too many messages are hidden",
            Self::Loop => "EC2 policy enforcer: an Auto Scaling group starts what is stopped",
            Self::Unheard => "EC2 policy enforcer: nobody hears of stops",
            Self::Unreachable => "EC2 policy enforcer: accounts cannot be looked at",
            Self::Unswept => "EC2 policy enforcer: accounts cannot be swept",
        }
    }
}

impl Operators {
    /// Operators who were told nothing yet, and the channel of what they are to be told.
    pub(crate) fn new(metrics: &Arc<Metrics>) -> (Self, Receiver<Waiting>) {
        let (waiting, to_publish) = mpsc::channel(WAITING);
        let metrics = Arc::clone(metrics);
        (Self { waiting, told: Mutex::default(), metrics }, to_publish)
    }

    /// Has a notice published, unless one of the same matter about the same thing was within the
    /// last hour. Does not wait.
    pub(crate) fn tell(&self, notice: OperatorNotice) {
        if !self.is_new(&notice) {
            return self.metrics.count_operator_notice(OperatorsTold::Before);
        }
        let (matter, since) = (notice.matter.label(), Instant::now());
        if self.waiting.try_send(Waiting { notice, since }).is_err() {
            warn!(matter, "too many notices to operators wait; this one is lost");
            self.metrics.count_operator_notice(OperatorsTold::Lost);
        }
    }

    /// Whether operators were not told of this within the last hour; they are from now on.
    fn is_new(&self, notice: &OperatorNotice) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| at.elapsed() < delays::OPERATORS_TOLD_AGAIN);
        let key = (notice.matter, notice.key.clone());
        if told.len() >= REMEMBERED || told.contains_key(&key) {
            return false;
        }
        told.insert(key, Instant::now());
        true
    }
}

impl OperatorNotifier {
    /// Publishes the notices, one after the other.
    pub(crate) async fn run(self, mut waiting: Receiver<Waiting>) {
        loop {
            liveness::idle();
            let Some(Waiting { notice, since }) = waiting.recv().await else { return };
            let (matter, key) = (notice.matter.label(), notice.key.clone());
            let lost_at = since + delays::OPERATOR_NOTICE_LOST;
            let style = self.context.settings.notice_style();
            let result = if self.publish(&to_publish(&notice, &style), lost_at).await {
                info!(matter, key, "told the operators");
                OperatorsTold::Now
            } else {
                warn!(matter, key, "cannot tell the operators; the notice is lost");
                OperatorsTold::Lost
            };
            self.context.metrics.count_operator_notice(result);
            liveness::within(delays::BETWEEN_OPERATOR_NOTICES);
            tokio::time::sleep(delays::BETWEEN_OPERATOR_NOTICES).await;
        }
    }

    /// Tries to publish a notice, again and again until `lost_at` or until a wait for the next
    /// attempt meets the drain. Says whether SNS accepted it.
    async fn publish(&self, notice: &Notice, lost_at: Instant) -> bool {
        let mut attempts = self.context.breakers.persist(Operation::PublishToOperators);
        let mut unanswered = Intervals::new(delays::FIRST_UNANSWERED, delays::LONGEST_UNANSWERED);
        loop {
            let Ok(Ok(attempt)) = timeout_at(lost_at, attempts.ready()).await else {
                return false;
            };
            let Err(error) = self.publish_once(notice).await else {
                attempt.succeeded();
                return true;
            };
            warn!(%error, "cannot tell the operators yet");
            attempt.failed(&error);
            if error.class == Class::Unknown {
                // It may have been published, so that each repeat may be a second mail.
                attempts.put_off(unanswered.advance());
            }
        }
    }

    async fn publish_once(&self, notice: &Notice) -> Result<(), AwsError> {
        let mut results = self.topic.publish(&[notice]).await?;
        results.pop().map_or(Ok(()), |result| result.map(drop))
    }
}

/// The notice as SNS takes it.
fn to_publish(notice: &OperatorNotice, style: &Style) -> Notice {
    let OperatorNotice { matter, key, text } = notice;
    Notice::to_operators(matter.subject(), key, text.clone(), style)
}
