//! The notifiers: publish the notices of outcomes to the SNS topic, and only then have their
//! messages deleted.
//!
//! - here: the tasks, and what becomes of messages after SNS's answer;
//! - [`writer`]: writes the notices;
//! - [`published`]: the results of one call;
//! - [`digests`], [`windows`]: gather the notices of an owner who would get many.

pub(crate) mod digests;
mod published;
mod windows;
pub(crate) mod writer;

use std::sync::Arc;

use time::UtcDateTime;
use tracing::warn;

use crate::aws::entries::Entries;
use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::aws::sns::{MessageId, PUBLISH_LIMIT, Topic};
use crate::domain::notice::{SIZE_LIMIT, told};
use crate::domain::outcome::Outcome;
use crate::inflight::launches::Launches;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::{Delivery, Promise};
use crate::pipeline::exits::Announcement;
use crate::pipeline::notice_rate::NoticeRate;
use crate::pipeline::planner::Planner;
use crate::pipeline::settle::{Finished, Settlements};
use crate::retry::attempts::{GaveUp, Next};
use crate::retry::backoff::Intervals;
use crate::retry::delays;
use crate::runtime::batch_receiver::BatchReceiver;

use published::Published;
use writer::{Pending, Writer};

/// The words for the log field `reason` of messages that are retried: PublishBatch kept failing, or
/// SNS refuses this notice as invalid while it accepts others.
const PUBLISH_FAILS: &str = "publish_failing";
const INVALID: &str = "notice_invalid";

/// What the notifier tasks share.
#[derive(Debug)]
pub(crate) struct Notifier {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// The topic that notices are published to.
    pub(crate) topic: Topic,
    /// Writes the notices.
    pub(crate) writer: Writer,
    /// How many notices may go out.
    pub(crate) rate: Arc<NoticeRate>,
    /// Where messages are sent when their notice is published.
    pub(crate) settlements: Arc<Settlements>,
    /// Which owners were told of a stop to come.
    pub(crate) planner: Arc<Planner>,
    /// What owners were told of launches.
    pub(crate) launches: Arc<Launches>,
}

impl Notifier {
    /// Publishes until the channel is closed and empty.
    pub(crate) async fn run(self: Arc<Self>, announcements: BatchReceiver<Announcement>) {
        loop {
            let batch = announcements.take(PUBLISH_LIMIT).await;
            if batch.is_empty() {
                return;
            }
            let messages = batch.iter().map(Vec::len).sum();
            let work = Box::pin(self.notify(batch));
            self.context.panic_guard.run("notifier", messages, work).await;
        }
    }

    async fn notify(&self, batch: Vec<Announcement>) {
        let announced = batch.into_iter().map(|announcement| self.without_silent(announcement));
        let pending = announced.flat_map(|announcement| self.writer.write(announcement));
        self.publish(pending.collect()).await;
    }

    /// Deletes the messages of outcomes without a notice, and returns the others.
    fn without_silent(&self, announcement: Announcement) -> Announcement {
        let (announced, silent): (Vec<_>, Vec<_>) =
            announcement.into_iter().partition(|(_, outcome)| told::is_announced(*outcome));
        for (delivery, outcome) in silent {
            self.settlements.delete(delivery, outcome);
        }
        announced
    }

    /// Publishes notices until SNS has accepted each, or attempts are given up.
    ///
    /// A call without an answer may have published its notices, so that each repeat may be a second
    /// mail to every subscriber. Until there is an answer, a single notice is tried, with waits of
    /// 1 s, 2 s, 4 s and so on, up to 5 minutes.
    async fn publish(&self, mut pending: Vec<Pending>) {
        let mut attempts = self.context.breakers.step(Operation::Publish);
        let mut unanswered_backoff: Option<Intervals> = None;
        while !pending.is_empty() {
            let attempt = match attempts.ready().await {
                Ok(attempt) => attempt,
                Err(why) => return self.give_up(pending, why),
            };
            let most = if unanswered_backoff.is_some() { 1 } else { self.rate.most() };
            let others = pending.split_off(fitting(&pending, most));
            let slots = self.rate.slots(pending.len()).await;
            if attempt.is_outdated() {
                // Publishing was paused while this task waited.
                pending.extend(others);
                continue;
            }
            let published = self.publish_once(pending).await;
            drop(slots);
            let next = published.report_to(attempt);
            pending = published.again;
            pending.extend(others);
            if next == Next::GiveUp {
                pending = self.give_up_messages(pending);
                attempts.put_off(delays::FIRST_RETRY);
            }
            if published.some_unanswered {
                let backoff = unanswered_backoff.get_or_insert_with(|| {
                    Intervals::new(delays::FIRST_UNANSWERED, delays::LONGEST_UNANSWERED)
                });
                attempts.put_off(backoff.advance());
            } else {
                unanswered_backoff = None;
            }
        }
    }

    /// Makes one call, and has the messages of accepted notices deleted.
    async fn publish_once(&self, mut pending: Vec<Pending>) -> Published {
        for pending in &mut pending {
            self.writer.put_off_if_late(pending);
        }
        let notices: Vec<_> = pending.iter().map(|pending| &pending.notice).collect();
        let results = self.topic.publish(&notices).await;
        let results = results.unwrap_or_else(|error| vec![Err(error); pending.len()]);
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            warn!(%error, notices = results.len(), "cannot publish all notices");
        }
        self.partition(pending, results)
    }

    /// Decides for each notice, by its result, whether its message is deleted or retried, or the
    /// notice is published again.
    ///
    /// A notice that SNS calls invalid is tried once more as its text alone. If that is invalid, too,
    /// a digest is tried as single notices. Of these, either the notice is at fault, as shown by
    /// another notice that SNS accepted within the last 10 minutes, or the topic is, which is then
    /// treated as gone.
    fn partition(&self, pending: Vec<Pending>, results: Entries<MessageId>) -> Published {
        let mut published = Published::of(&results);
        let is_topic_sound = published.some_accepted
            || self.context.breakers.succeeded_within(&Operation::Publish, delays::TOPIC_PROOF);
        for (pending, result) in pending.into_iter().zip(results) {
            match result {
                Ok(id) => self.accepted(pending, &id),
                Err(error) if error.class == Class::Invalid && !pending.notice.is_plainest() => {
                    published.again.push(pending.plainest());
                }
                Err(error) if error.class == Class::Invalid && pending.told.len() > 1 => {
                    let singles = pending.told.into_iter().map(|one| vec![one]);
                    published.again.extend(singles.flat_map(|one| self.writer.write(one)));
                }
                Err(error) if error.class == Class::Invalid && is_topic_sound => {
                    self.retry_invalid(pending.told);
                }
                Err(error) if error.class == Class::Invalid => {
                    published.keep(pending.full(), topic_is_gone(error));
                }
                Err(error) => published.keep(pending, error),
            }
        }
        published
    }

    /// Retries the messages of a notice that SNS refuses. In the end SQS has delivered them so often
    /// that it moves them to the dead-letter queue.
    fn retry_invalid(&self, told: Announcement) {
        for (delivery, _) in told {
            let after = self.context.jitter.retry_delay(delivery.receives());
            self.settlements.retry(delivery, INVALID, after);
        }
    }

    /// Retries or hands back the messages of notices whose attempts ended without success.
    fn give_up(&self, pending: Vec<Pending>, why: GaveUp) {
        for (delivery, _) in pending.into_iter().flat_map(|pending| pending.told) {
            self.settlements.give_up(delivery, why, PUBLISH_FAILS);
        }
    }

    /// Retries the messages of notices for which attempts ended without success. Returns the notices of
    /// stops of what a sweep found: no message brings these again, and no sweep finds what is stopped.
    fn give_up_messages(&self, pending: Vec<Pending>) -> Vec<Pending> {
        let all = pending.into_iter().flat_map(|pending| pending.told);
        let (stops, others): (Vec<_>, Vec<_>) =
            all.partition(|(delivery, outcome)| is_told_once(delivery, *outcome));
        for (delivery, _) in others {
            self.settlements.give_up(delivery, GaveUp::Retry, PUBLISH_FAILS);
        }
        stops.into_iter().flat_map(|stop| self.writer.write(vec![stop])).collect()
    }

    /// Has the messages settled whose outcomes are announced.
    fn accepted(&self, pending: Pending, notice: &MessageId) {
        if pending.told.len() > 1 {
            self.context.metrics.count_digest();
        }
        for (delivery, outcome) in pending.told {
            self.announced(delivery, outcome, notice.clone());
        }
    }

    /// Remembers what is announced, and has the message deleted. Where EC2 keeps failing, the work
    /// is not done: the message is left, to be redriven when EC2 works.
    fn announced(&self, delivery: Delivery, outcome: Outcome, notice: MessageId) {
        self.context.metrics.count_notice(outcome);
        if told::is_remembered(outcome) {
            let sense = delivery.sense(outcome);
            self.launches.remember(&delivery.event.key, delivery.launched(), &sense);
        }
        if delivery.failure.is_some() {
            let finished = Finished::from(delivery).told_by(notice);
            return self.settlements.leave_failing(finished, outcome);
        }
        match outcome {
            Outcome::Planned(stop) => return self.planned(delivery, stop, notice),
            Outcome::CalledOff(_) => return self.called_off(delivery, outcome, notice),
            Outcome::Refused(_) => {
                delivery.claim.remember_messages(delivery.arrival().message_id.as_deref());
                self.remember_told(&delivery, outcome);
            }
            Outcome::Warned => {
                delivery.claim.remember_warning();
                self.remember_told(&delivery, outcome);
            }
            // The next stage of the same exemption is told as well.
            Outcome::Expiring(_) => {}
            _ => delivery.claim.remember_notice(),
        }
        self.settlements.delete(Finished::from(delivery).told_by(notice), outcome);
    }

    /// Remembers what the owner of an instance that goes on running was told, so that changes of its
    /// tags repeat nothing.
    fn remember_told(&self, delivery: &Delivery, outcome: Outcome) {
        if self.context.settings.policy.tag_changes {
            let decision = delivery.decision.as_deref();
            delivery.claim.remember_told(&delivery.event.key, &told::sense(outcome, decision));
        }
    }

    /// Forgets a plan of which the owner knows that it is called off, and has the messages deleted:
    /// the one by which that was found out, and the one that waits for the stop.
    fn called_off(&self, mut delivery: Delivery, outcome: Outcome, notice: MessageId) {
        // The message alone: should the tag be gone when the event is sent again, it is judged anew.
        delivery.claim.remember_messages(delivery.arrival().message_id.as_deref());
        let waiting = match delivery.promise.take() {
            Some(Promise::CallingOff(calling_off)) => calling_off.accepted(),
            _ => None,
        };
        let finished = Finished::from(delivery).told_by(notice);
        self.settlements.call_off(finished, outcome, waiting);
    }

    /// Remembers of which stop an owner was told, and has the message hidden until then. The owner
    /// has the shortest time of notice from now on.
    fn planned(&self, mut delivery: Delivery, stop: UtcDateTime, notice: MessageId) {
        let stop = stop.max(self.planner.earliest_stop());
        if let Some(Promise::Telling(telling)) = delivery.promise.take() {
            telling.accepted(stop);
        }
        let until = self.planner.returns(stop, delivery.arrival());
        self.settlements.hide(Finished::from(delivery).told_by(notice), stop, until);
    }
}

/// Whether nothing but this notice tells an owner of a stop: there is no message that could be retried.
fn is_told_once(delivery: &Delivery, outcome: Outcome) -> bool {
    outcome == Outcome::Stopped && delivery.origin.nomination().is_some()
}

/// How many of the first notices fit into one call, of `most` at most: at least one.
fn fitting(pending: &[Pending], most: usize) -> usize {
    let mut size = 0;
    let fits = |pending: &&Pending| {
        size += pending.notice.size();
        size <= SIZE_LIMIT
    };
    pending.iter().take(most).take_while(fits).count().max(1).min(pending.len())
}

/// The error as one of a topic that cannot be used, which pauses publishing.
fn topic_is_gone(error: AwsError) -> AwsError {
    AwsError { class: Class::Gone, ..error }
}
